import { z } from 'zod'
import { engines, sessionStatuses } from '../../proto/contract.js'
import { explain } from '../../proto/reasons.js'
import { examples, idOf, phone, time } from '../http/shapes.js'
import { NO_NODE, shownStatus, type Session } from './session.js'

const shownPacing = z
  .object({
    gapMs: z.number().int().describe('ms between two messages'),
    jitterMs: z.number().int().describe('up to so many ms more, at random'),
    messagesPerDay: z.number().int().describe('0: no limit'),
  })
  .meta({ id: 'Pacing' })

/** The public shape of a session. Fields are added here on purpose, never by accident. */
export const shownSession = z
  .object({
    id: idOf('ses'),
    name: z.string(),
    engine: z.enum(engines),
    status: z.enum(sessionStatuses),
    reason: z.string().describe('why it stands there: a word for programs').optional(),
    detail: z.string().describe('the same for people').optional(),
    phone: phone.describe('its number').optional(),
    lid: z.string().describe("WhatsApp's other id of the number: …@lid").optional(),
    pushName: z.string().describe("the number's own name on WhatsApp").optional(),
    node: z.string().describe('the session node that runs it').optional(),
    pacing: shownPacing,
    sandbox: z
      .object({
        phone: z.string().optional(),
        autoPair: z.boolean().optional(),
        ackDelayMs: z.number().int().optional(),
        reply: z.literal('echo').optional(),
      })
      .describe('how a session of the sandbox behaves')
      .optional(),
    metadata: z.record(z.string(), z.string()).describe('yours').optional(),
    createdAt: time,
    connectedAt: time.describe('while it is connected: since when').optional(),
  })
  .meta({ id: 'Session', description: 'A WhatsApp number linked through Switchboard.' })
export type ShownSession = z.output<typeof shownSession>

export const exampleSession: ShownSession = {
  id: examples.session,
  name: examples.sessionName,
  engine: 'wwebjs',
  status: 'connected',
  reason: 'linked',
  detail: 'The number is linked and online.',
  phone: examples.phone,
  pushName: 'The Shop',
  node: examples.node,
  pacing: { gapMs: 3_000, jitterMs: 2_000, messagesPerDay: 0 },
  metadata: { customer: '77' },
  createdAt: '2026-11-22T20:07:11.402Z',
  connectedAt: '2026-11-22T20:07:58.120Z',
}

export function presentSession(session: Session, nodeIsSilent: boolean): ShownSession {
  const { status, reason, detail } = shownStatus(session, nodeIsSilent)
  const said = detail ?? (reason === null ? null : explain(reason))
  return {
    id: session.id,
    name: session.name,
    engine: session.engine,
    status,
    ...(reason === null ? {} : { reason }),
    ...(said === null ? {} : { detail: said }),
    ...(session.phone === null ? {} : { phone: `+${session.phone}` }),
    ...(session.lid === null ? {} : { lid: session.lid }),
    ...(session.pushName === null ? {} : { pushName: session.pushName }),
    ...(session.nodeId === NO_NODE ? {} : { node: session.nodeId }),
    pacing: session.pacing,
    ...(session.sandbox === null ? {} : { sandbox: session.sandbox }),
    ...(session.metadata === null ? {} : { metadata: session.metadata }),
    createdAt: session.createdAt.toISOString(),
    ...(session.connectedAt === null || status !== 'connected'
      ? {}
      : { connectedAt: session.connectedAt.toISOString() }),
  }
}
