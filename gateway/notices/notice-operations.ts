import { z } from 'zod'
import { envelopeSchema, type EventType, exampleOf } from '../events/catalogue/catalogue.js'
import { operation } from '../http/operation.js'
import { pageFields } from '../http/pagination.js'
import { idOf } from '../http/shapes.js'

/** What operators have to hear. */
export const noticeTypes = [
  'webhook.failing',
  'webhook.disabled',
  'quota.warning',
  'quota.reached',
] as const satisfies readonly EventType[]

const ofTenant = (type: EventType) => envelopeSchema(type).extend({ tenant: idOf('ten') })
const [first, ...others] = noticeTypes
const shownNotice = z
  .discriminatedUnion('type', [ofTenant(first), ...others.map(ofTenant)])
  .meta({ id: 'Notice', description: 'An event that concerns a tenant as a whole, and the id of that tenant.' })

export const listNotices = operation({
  id: 'listNotices',
  method: 'get',
  path: '/api/v1/notices',
  tag: 'Events',
  scope: 'admin',
  summary: 'List what operators have to hear of all tenants',
  description: `Oldest first: ${noticeTypes.map((type) => `\`${type}\``).join(', ')}. Without a \`cursor\` the list is empty, and begins there.`,
  query: z.object(pageFields),
  codes: ['invalid_cursor'],
  answers: {
    200: {
      description: 'A page of notices.',
      schema: z
        .object({
          data: z.array(shownNotice),
          nextCursor: z.string().describe('always there: what happens next comes after it'),
        })
        .meta({ id: 'NoticePage' }),
      examples: {
        notices: {
          data: [{ ...exampleOf('webhook.failing'), tenant: 'ten_01kaxq1a2b3c4d5e6f7g8h9j0k' }],
          nextCursor: 'WzQxXQ',
        },
      },
    },
  },
})

export const noticeOperations = [listNotices]
