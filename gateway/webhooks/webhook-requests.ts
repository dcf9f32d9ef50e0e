/** What callers may ask of webhooks, as schemas. Addresses and sessions are looked at afterwards. */
import { z } from 'zod'
import { eventTypes } from '../events/catalogue/catalogue.js'
import { pageFields } from '../http/pagination.js'
import { deliveryStatuses } from './delivery.js'
import { covers, signatures } from './webhook.js'

const url = z
  .string()
  .min(1)
  .max(2_048)
  .refine((text) => text.isWellFormed() && !/[\s\p{Cc}]/u.test(text), 'holds blanks or control characters')
const events = z
  .array(
    z
      .string()
      .max(64)
      .refine(
        (wanted) => eventTypes.some((type) => covers(wanted, type)),
        'is not a type of event, nor a group such as message.*',
      ),
  )
  .min(1, 'must name at least one, or *')
  .max(64)
const sessions = z.array(z.string().min(1).max(64)).min(1, 'must name at least one, or *').max(500)
const description = z
  .string()
  .max(255)
  .refine((text) => text.isWellFormed(), 'holds half of a surrogate pair')

/** What we or the connection say ourselves. */
const ours =
  /^(host|content-.*|transfer-encoding|connection|keep-alive|proxy-.*|te|trailer|upgrade|expect|user-agent|accept-encoding|webhook-.*|x-hub-.*|date)$/i
const headers = z
  .record(
    z
      .string()
      .regex(/^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/, 'is not the name of a header')
      .refine((name) => !ours.test(name), 'is a header that webhooks set themselves'),
    z
      .string()
      .max(2_048)
      .regex(/^[\x20-\x7e]*$/, 'must be visible ASCII'),
  )
  .refine((pairs) => Object.keys(pairs).length <= 20, 'must be at most 20')
  .refine((pairs) => new Set(Object.keys(pairs).map((name) => name.toLowerCase())).size === Object.keys(pairs).length, {
    message: 'hold the same name twice',
  })

const fields = {
  url,
  events,
  sessions,
  headers,
  description: description.nullable(),
  signature: z.enum(signatures),
  ordered: z.boolean(),
  concurrency: z.int().min(1).max(50),
}

export const CreateWebhook = z.strictObject(fields).partial().required({ url: true })
export const ChangeWebhook = z
  .strictObject({ ...fields, status: z.enum(['enabled', 'paused']) })
  .partial()
  .refine((change) => Object.keys(change).length > 0, 'must change something')
export type WebhookFields = z.output<typeof CreateWebhook>
export type WebhookChanges = z.output<typeof ChangeWebhook>

const time = z.iso.datetime({ offset: true, error: 'must be a time such as 2026-11-22T18:00:00Z' })
export const Replay = z.union(
  [
    z.strictObject({
      since: time.transform((text) => Date.parse(text)),
      succeeded: z.boolean().describe('also what was delivered').default(false),
    }),
    z.strictObject({ failed: z.literal(true) }),
  ],
  { error: 'must be {"since": time} or {"failed": true}' },
)
export type ReplayRequest = z.output<typeof Replay>

export const Nothing = z.strictObject({})
export const ListWebhooks = z.object({ ...pageFields })
export const AfterId = z.tuple([z.string()])
export const ListDeliveries = z.object({ ...pageFields, status: z.enum(deliveryStatuses).optional() })
export const BeforePlace = z.tuple([z.number().int().min(0)])
