/** What concerns a tenant as a whole: such events have neither session nor sequence. */
import { z } from 'zod'
import { define, idOf, time } from './definition.js'

const webhook = z
  .strictObject({
    id: idOf('whk'),
    description: z.string().optional(),
    host: z.string().describe('of its URL; the rest may hold secrets'),
  })
  .describe('which webhook')
const exampleWebhook = { id: 'whk_01kaxq3a1b2c3d4e5f6g7h8j9k', description: 'orders', host: 'example.com' } as const

const quota = z.strictObject({
  quota: z.string().describe('which limit of the tenant: `messagesPerDay`, `sessions`, `mediaBytes`, …'),
  used: z.number().int().min(0),
  limit: z.number().int().min(0),
  resetsAt: time.describe('when it begins anew, if it does').optional(),
})

export const tenantTypes = {
  'webhook.failing': define({
    description:
      'Deliveries to a webhook have been failing for a while. They are tried again, and it is disabled after five days.',
    data: z.strictObject({
      webhook,
      since: time.describe('of the first failure'),
      error: z.string().describe('what the newest attempt met').optional(),
    }),
    example: { webhook: exampleWebhook, since: '2026-11-22T18:00:00.000Z', error: 'It answered 502.' },
    ofSession: false,
  }),
  'webhook.disabled': define({
    description: 'A webhook gets nothing any more until somebody enables it again.',
    data: z.strictObject({
      webhook,
      reason: z.string().describe('`gone` (it answered 410) or `failing` (for five days)'),
      since: time.describe('of the first failure').optional(),
    }),
    example: { webhook: exampleWebhook, reason: 'gone' },
    ofSession: false,
  }),
  'quota.warning': define({
    description: 'A limit of the tenant is nearly reached.',
    data: quota,
    example: { quota: 'messagesPerDay', used: 800, limit: 1000, resetsAt: '2026-11-23T00:00:00.000Z' },
    ofSession: false,
  }),
  'quota.reached': define({
    description: 'A limit of the tenant is reached: what exceeds it is refused.',
    data: quota,
    example: { quota: 'messagesPerDay', used: 1000, limit: 1000, resetsAt: '2026-11-23T00:00:00.000Z' },
    ofSession: false,
  }),
}
