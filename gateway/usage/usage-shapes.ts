/** What is shown of usage. */
import { z } from 'zod'
import { contentTypes } from '../../proto/contract.js'
import { examples, idOf } from '../http/shapes.js'
import type { Metric } from './usage.js'
import type { NamedGroup } from './usage-report.js'

const count = z.number().int().describe('messages')
const messageFields = {
  sent: count.describe('sent, with at least one acknowledgement of WhatsApp'),
  failed: count.describe('certainly not sent'),
  unknown: count.describe('perhaps sent; becomes one of the two when it is found out'),
  received: count.describe('received'),
  fromPhone: count.describe('typed on the linked phone'),
}
const messageCounts = z.object(messageFields).meta({
  id: 'MessageCounts',
  description: 'By the day on which a message was accepted, or came in. Pending ones are not counted yet.',
})
export type MessageCounts = z.output<typeof messageCounts>
export const messageCountNames = Object.keys(messageFields) as (keyof MessageCounts)[]

const day = z.string().regex(/^\d{4}-\d{2}-\d{2}$/)
const month = z.string().regex(/^\d{4}-\d{2}$/)

export const shownUsage = z
  .object({
    tenant: idOf('ten').describe('where it was asked for every tenant').optional(),
    day: day.describe('by UTC; with `groupBy=day`').optional(),
    month: month.describe('by UTC; with `groupBy=month`').optional(),
    session: z
      .object({ id: idOf('ses'), name: z.string() })
      .describe(
        'with `groupBy=session`; absent for webhooks that told of something which concerns the tenant as a whole',
      )
      .optional(),
    messages: messageCounts,
    types: z.partialRecord(z.enum(contentTypes), messageCounts).describe('the same by type; those that there were'),
    media: z
      .object({
        bytesSent: z.number().int().describe('of files in messages that were sent'),
        bytesReceived: z.number().int().describe('of files in messages that came in, or were sent from the phone'),
      })
      .meta({ id: 'MediaBytes' }),
    webhooks: z
      .object({
        delivered: z.number().int().describe('deliveries that a receiver took, by the day of the answer'),
        failedAttempts: z.number().int().describe('attempts that it did not'),
        exhausted: z.number().int().describe('deliveries that were given up'),
      })
      .meta({ id: 'DeliveryCounts' }),
    connectedSeconds: z
      .number()
      .int()
      .describe('how long sessions were connected, as far as a gateway saw it; added up over sessions'),
  })
  .meta({ id: 'Usage', description: 'What was used in a time, by the sessions that are added up.' })
export type ShownUsage = z.output<typeof shownUsage>

const exampleCounts = { sent: 118, failed: 2, unknown: 0, received: 97, fromPhone: 4 }
export const exampleUsage: ShownUsage = {
  day: '2026-11-22',
  messages: exampleCounts,
  types: {
    text: { sent: 110, failed: 2, unknown: 0, received: 90, fromPhone: 4 },
    image: { sent: 8, failed: 0, unknown: 0, received: 7, fromPhone: 0 },
  },
  media: { bytesSent: 1_204_332, bytesReceived: 2_310_004 },
  webhooks: { delivered: 448, failedAttempts: 3, exhausted: 0 },
  connectedSeconds: 86_400,
}
export const exampleUsageOfSession: ShownUsage = {
  ...exampleUsage,
  session: { id: examples.session, name: examples.sessionName },
}

/** The public shape of usage. Fields are added here on purpose, never by accident. */
export function presentUsage(group: NamedGroup, { everyTenant }: { everyTenant: boolean }): ShownUsage {
  const { tenant, period, session, sessionName = '', amounts } = group
  const of = (metric: Metric) => amounts.get(metric) ?? 0
  const byType = contentTypes.map((type) => [type, countsOf((what) => of(metricOf(type, what)))] as const)
  const present = byType.filter(([, counts]) => Object.values(counts).some((number) => number !== 0))
  return {
    ...(everyTenant ? { tenant: tenant as Exclude<ShownUsage['tenant'], undefined> } : {}),
    ...(period.length === 10 ? { day: period } : {}),
    ...(period.length === 7 ? { month: period } : {}),
    ...(session === '' ? {} : { session: { id: session as `ses_${string}`, name: sessionName } }),
    messages: countsOf((what) => byType.reduce((sum, [, counts]) => sum + counts[what], 0)),
    types: Object.fromEntries(present) as ShownUsage['types'],
    media: { bytesSent: of('bytes.out'), bytesReceived: of('bytes.in') },
    webhooks: {
      delivered: of('deliveries.succeeded'),
      failedAttempts: of('attempts.failed'),
      exhausted: of('deliveries.exhausted'),
    },
    connectedSeconds: Math.round(of('connected_ms') / 1_000),
  }
}

function countsOf(count: (what: keyof MessageCounts) => number): MessageCounts {
  return Object.fromEntries(messageCountNames.map((what) => [what, count(what)])) as MessageCounts
}

function metricOf(type: (typeof contentTypes)[number], what: keyof MessageCounts): Metric {
  if (what === 'received') return `in.${type}`
  return what === 'fromPhone' ? `phone.${type}` : `out.${type}.${what}`
}
