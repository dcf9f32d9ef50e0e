/** A message as events carry it: the shape of `GET /messages/{id}`, as it was at that moment. */
import { z } from 'zod'
import { messageStatuses, origins } from '../../../proto/contract.js'
import { chatId, examples, idOf, messageId, person, time, waMessageId } from './definition.js'

const file = z.strictObject({
  id: idOf('med').optional(),
  url: z.url().describe('gives the file without a key, for a while from when it was made (MEDIA_URL_HOURS)').optional(),
  mimetype: z.string(),
  size: z.number().int().min(0).describe('bytes').optional(),
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/)
    .describe('of the content, lower-case hex')
    .optional(),
  filename: z.string().optional(),
  caption: z.string().optional(),
  seconds: z.number().min(0).optional(),
  missing: z.string().describe('why there is no file').optional(),
  pending: z.literal(true).describe('on its way from the session node; `url` fetches it from there').optional(),
  pendingReason: z
    .string()
    .describe('why it stays on the node: `media_quota_exceeded` until the tenant has room for it')
    .optional(),
})

const contents = {
  text: z.strictObject({ body: z.string() }).optional(),
  image: file.optional(),
  video: file.optional(),
  audio: file.optional(),
  voice: file.optional(),
  document: file.optional(),
  sticker: file.optional(),
  location: z
    .strictObject({
      latitude: z.number(),
      longitude: z.number(),
      name: z.string().optional(),
      address: z.string().optional(),
    })
    .optional(),
  contacts: z
    .array(z.strictObject({ name: z.string(), phones: z.array(z.string()), vcard: z.string().optional() }))
    .optional(),
  poll: z.strictObject({ question: z.string(), options: z.array(z.string()), multiple: z.boolean() }).optional(),
  reaction: z.strictObject({ messageId: messageId.optional(), emoji: z.string() }).optional(),
  unsupported: z.strictObject({ waType: z.string() }).describe('a kind of message that is not shown yet').optional(),
}
const types = Object.keys(contents) as (keyof typeof contents)[]

export const shownMessage = z
  .strictObject({
    id: messageId,
    session: z.strictObject({ id: idOf('ses'), name: z.string() }),
    direction: z.enum(['in', 'out']),
    origin: z.enum(origins),
    to: person.optional(),
    from: person.optional(),
    fromLid: z.string().describe('…@lid').optional(),
    fromName: z.string().describe('the name that the sender chose').optional(),
    chatId,
    type: z.enum(types).describe('the field of this name holds the content'),
    ...contents,
    replyTo: messageId.describe('the quoted message, when it is one that Switchboard keeps').optional(),
    replyToWaMessageId: waMessageId.describe("WhatsApp's id of the quoted message").optional(),
    mentions: z.array(person).optional(),
    reference: z.string().optional(),
    status: z.enum(messageStatuses),
    reason: z.string().optional(),
    error: z.string().optional(),
    nextAction: z.enum(['hand_over', 'resume_tenant', 'send', 'reconcile', 'decide']).optional(),
    waMessageId,
    createdAt: time,
    sentAt: time.optional(),
    deliveredAt: time.optional(),
    readAt: time.optional(),
    playedAt: time.optional(),
    editedAt: time.optional(),
    deletedAt: time.optional(),
    expiresAt: time.optional(),
  })
  .describe('the message as it was then; its shape is that of `GET /messages/{id}`')
export type ShownMessage = z.output<typeof shownMessage>

const { session } = examples
export const exampleReceived: ShownMessage = {
  id: examples.messageId,
  session: { id: session.id, name: session.name },
  direction: 'in',
  origin: 'contact',
  to: session.phone,
  from: examples.phone,
  fromLid: examples.lid,
  fromName: 'Anna',
  chatId: examples.chatId,
  type: 'image',
  image: {
    id: 'med_01kaxq2w4b6c7d8e9f0g1h2j3k',
    url: 'https://gateway.example.com/api/v1/media/med_01kaxq2w4b6c7d8e9f0g1h2j3k?expires=1795467185746&signature=3uQxT8',
    mimetype: 'image/jpeg',
    size: 48213,
    sha256: '9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08',
    caption: 'Is this the right one?',
  },
  replyTo: 'msg_01kaxq1m5s7t8v9w0x1y2z3a4b',
  replyToWaMessageId: examples.waMessageId,
  status: 'delivered',
  waMessageId: examples.incomingId,
  createdAt: examples.time,
  sentAt: '2026-11-22T20:53:05.000Z',
}
export const exampleQueued: ShownMessage = {
  id: examples.messageId,
  session: { id: session.id, name: session.name },
  direction: 'out',
  origin: 'telegram',
  to: examples.phone,
  chatId: examples.chatId,
  type: 'text',
  text: { body: 'Your order is ready.' },
  status: 'pending',
  reason: 'waiting_to_send',
  nextAction: 'send',
  waMessageId: examples.waMessageId,
  createdAt: examples.time,
  expiresAt: '2026-11-23T20:53:05.746Z',
}
