import { z } from 'zod'
import { operation } from '../http/operation.js'
import { pageFields } from '../http/pagination.js'
import { examples, idOf, pageOf, time } from '../http/shapes.js'
import { reportedActions } from './audit-line.js'

const tag = 'Admin'
const moment = z.iso.datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
const toMs = moment.transform((text) => Date.parse(text))
const word = z.string().min(1).max(64)

const shownLine = z
  .object({
    id: idOf('aud'),
    at: time,
    actor: z.string().describe('who: `key_…`, `telegram:<user id>` of an operator, or `shell`'),
    key: z.string().describe('the key that the request came with').optional(),
    address: z.string().describe('where the request came from').optional(),
    action: z.string().describe('what: the id of an operation, or what an operator did in Telegram'),
    tenant: z.string().describe('whose things it was about'),
    target: z.string().describe('the id, or the name, of what it was done to').optional(),
    outcome: z
      .string()
      .describe('`done`, `replayed`, the code of the problem, or `unknown`: under way, or the gateway died in it'),
    requestId: z.string().optional(),
    trace: z.string().describe('the trace id of W3C Trace Context').optional(),
  })
  .meta({ id: 'AuditLine', description: 'Who did what, and what became of it.' })

const exampleLine = {
  id: 'aud_01kaxq2w5c6d7e8f9g0h1j2k3m',
  at: examples.time,
  actor: 'telegram:1234567',
  key: 'key_01kaxq1a1b2c3d4e5f6g7h8j9k',
  address: '10.0.0.7',
  action: 'deleteSession',
  tenant: 'ten_01kaxq1a1b2c3d4e5f6g7h8j9k',
  target: examples.session,
  outcome: 'done',
  requestId: 'req_01kaxq2w5c6d7e8f9g0h1j2k3m',
  trace: '0af7651916cd43dd8448eb211c80319c',
}

export const listAudit = operation({
  id: 'listAudit',
  method: 'get',
  path: '/api/v1/audit',
  tag,
  scope: 'admin',
  summary: 'List who did what, newest first',
  description:
    'What keys, Telegram operators and people at the shell changed, in all tenants, kept for `RETENTION_AUDIT_DAYS`. A line is written before anything is done. Messages that were sent, and those taken back, are not in here: they are in the list of messages.',
  query: z.object({
    ...pageFields,
    tenant: word.optional().describe('the id of a tenant'),
    actor: word.optional(),
    action: word.optional(),
    target: word.optional(),
    since: toMs.optional(),
    until: toMs.optional(),
  }),
  codes: ['invalid_cursor'],
  answers: {
    200: {
      description: 'A page of lines.',
      schema: pageOf(shownLine).meta({ id: 'AuditPage' }),
      examples: { lines: { data: [exampleLine] } },
    },
  },
})

export const reportAction = operation({
  id: 'reportAction',
  method: 'post',
  path: '/api/v1/audit',
  tag,
  scope: 'admin',
  summary: 'Put on record what an operator did in Telegram',
  description:
    'For the bot, which asks session nodes directly for some things. `X-Actor` says who did it. Told twice, it is on record once.',
  audited: false,
  headers: z.object({ 'X-Actor': z.string().describe('`telegram:<user id>`') }),
  body: {
    schema: z.strictObject({
      id: idOf('aud'),
      action: z.enum(reportedActions),
      tenant: idOf('ten').describe('whose it is'),
      target: word.describe('the id of a session or a message'),
      at: moment,
    }),
    examples: {
      qr: {
        id: exampleLine.id,
        action: 'showQr',
        tenant: exampleLine.tenant,
        target: examples.session,
        at: examples.time,
      },
    },
  },
  answers: { 204: { description: 'It is on record.' } },
})

export const auditOperations = [listAudit, reportAction]
