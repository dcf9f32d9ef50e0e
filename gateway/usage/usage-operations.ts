import { z } from 'zod'
import { operation } from '../http/operation.js'
import { pageFields } from '../http/pagination.js'
import { time } from '../http/shapes.js'
import { type Day, dayOf, startOf } from './usage.js'
import { groupings } from './usage-report-repository.js'
import { exampleUsage, exampleUsageOfSession, shownUsage } from './usage-shapes.js'
import { usageCsvHead, usageCsvLine } from './usage-csv.js'

export const MOST_DAYS = 400

const day = z
  .string()
  .refine(isDay, 'must be a day such as 2026-11-23')
  .transform((text) => text as Day)

function isDay(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false
  const at = startOf(text as Day)
  return !Number.isNaN(at) && dayOf(at) === text
}

export const ListUsage = z
  .strictObject({
    from: day.optional().describe('the first day (UTC); 30 days with today unless given'),
    to: day.optional().describe('the last day (UTC); today unless given'),
    session: z.string().min(1).max(64).optional().describe('only this one, by id or name; a deleted one by id'),
    groupBy: z.enum(groupings).default('day').describe('what is added up to one'),
    tenant: z.string().min(1).max(64).optional().describe('for an admin key: id or name of a tenant, or `*` for all'),
    format: z.enum(['json', 'csv']).optional().describe('`csv` is the same as `Accept: text/csv`'),
    ...pageFields,
  })
  .refine(({ from, to }) => !from || !to || from <= to, 'from: must not be after to')

const quota = z
  .object({
    used: z.number().int().describe('messages accepted today'),
    limit: z.number().int(),
    resetsAt: time,
  })
  .meta({ id: 'MessagesPerDay' })

const stored = z
  .object({
    files: z.number().int(),
    bytes: z.number().int(),
    limit: z.number().int().describe('bytes; absent without a limit').optional(),
  })
  .meta({ id: 'StoredMedia' })

export const listUsage = operation({
  id: 'listUsage',
  method: 'get',
  path: '/api/v1/usage',
  tag: 'Usage',
  scope: 'messages:read',
  summary: 'Tell what was used',
  description: `By days of UTC, at most ${MOST_DAYS} of them. Messages and deliveries are counted as they are stored, time connected within seconds, and a nightly recount checks them. A page of JSON, or all of it as CSV with one line for each group.`,
  query: ListUsage,
  codes: ['session_not_found', 'tenant_unknown', 'invalid_cursor'],
  answers: {
    200: {
      description: 'Groups in the order of tenant, time and session. Those in which nothing happened are left out.',
      schema: z
        .object({
          data: z.array(shownUsage),
          nextCursor: z.string().describe('what `cursor` the next page has; absent on the last page').optional(),
          messagesPerDay: quota.describe('how the tenant stands today; absent without a limit').optional(),
          media: stored.describe('what is kept for the tenant now; absent for all tenants together').optional(),
        })
        .meta({ id: 'UsagePage' }),
      examples: {
        byDay: {
          data: [exampleUsage],
          messagesPerDay: { used: 118, limit: 10_000, resetsAt: '2026-11-23T00:00:00.000Z' },
          media: { files: 212, bytes: 48_213_004, limit: 5_368_709_120 },
        },
        bySession: { data: [{ ...exampleUsageOfSession, day: undefined }] },
      },
      otherTypes: {
        'text/csv': {
          description: 'the first line names the columns',
          example: usageCsvHead + usageCsvLine(exampleUsageOfSession),
        },
      },
    },
  },
})

export const usageOperations = [listUsage]
