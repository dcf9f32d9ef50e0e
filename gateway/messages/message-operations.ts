import { z } from 'zod'
import { messageStatuses } from '../../proto/contract.js'
import { exampleReceived, type ShownMessage, shownMessage } from '../events/catalogue/shown-message.js'
import { type Answer, operation } from '../http/operation.js'
import { examples, inPath, pageOf, sessionInPath, time } from '../http/shapes.js'
import { ListMessages, MessageRequest, Nothing, Settle } from './message-request.js'

const tag = 'Messages'
const params = z.object({ id: inPath('the id of a message', examples.message) })

const shownChange = z.object({ status: z.enum(messageStatuses), reason: z.string().optional(), at: time })
export type ShownChange = z.output<typeof shownChange>

const answeredMessage = shownMessage
  .extend({ history: z.array(shownChange).describe('oldest first; of one message that is asked for').optional() })
  .meta({ id: 'Message', description: 'One that went out or came in, whoever sent it.' })

export const exampleMessage: ShownMessage = {
  id: examples.message,
  session: { id: examples.session, name: examples.sessionName },
  direction: 'out',
  origin: 'api',
  to: examples.phone,
  chatId: '4915112345678@c.us',
  type: 'text',
  text: { body: 'Your order is ready.' },
  reference: 'order-77',
  status: 'delivered',
  waMessageId: '3EB0D55F45653DDE2FE4AA',
  createdAt: '2026-11-22T20:53:05.746Z',
  sentAt: '2026-11-22T20:53:05.799Z',
  deliveredAt: '2026-11-22T20:53:06.019Z',
  expiresAt: '2026-11-23T20:53:05.746Z',
}
const { sentAt: _, deliveredAt: __, ...unsent } = exampleMessage
const examplePending: ShownMessage = { ...unsent, status: 'pending', reason: 'queued', nextAction: 'hand_over' }
const exampleHistory = [
  { status: 'pending', at: '2026-11-22T20:53:05.746Z' },
  { status: 'sent', at: '2026-11-22T20:53:05.799Z' },
  { status: 'delivered', at: '2026-11-22T20:53:06.019Z' },
] satisfies ShownChange[]

/** What a message to be sent can be refused with, beside its session. */
export const sendingCodes = [
  'invalid_number',
  'invalid:invalid_url',
  'invalid:blocked_address',
  'invalid_base64',
  'session_not_found',
  'session_deleting',
  'not_ready',
  'media_too_large',
  'media_type_mismatch',
  'unprocessable:message_not_found',
  'unprocessable:media_not_found',
  'media_unreadable',
  'url_unreachable',
  'url_refused',
  'url_timeout',
  'storage_full',
  'quota_exceeded',
  'media_quota_exceeded',
  'media_store_unavailable',
] as const

export const preferWait = z.object({
  Prefer: z
    .string()
    .meta({ description: '`wait=N`: waits up to N seconds, at most 30, for the result.', example: 'wait=10' })
    .optional(),
})

const answerHeaders = z.object({
  Location: z.string().describe('where the message is'),
  'Preference-Applied': z.string().describe('`wait=N`, where `Prefer` was heard').optional(),
})
export const answersOfSending = {
  200: {
    description: 'Waited for: it is sent, or certainly not.',
    schema: answeredMessage,
    examples: { sent: exampleMessage },
    headers: answerHeaders,
  },
  202: {
    description: 'It is stored and will be sent, whatever happens to this process or the next.',
    schema: answeredMessage,
    examples: { pending: examplePending },
    headers: answerHeaders,
  },
} satisfies Record<number, Answer>

export const sendMessage = operation({
  id: 'sendMessage',
  audited: false,
  method: 'post',
  path: '/api/v1/sessions/{session}/messages',
  tag,
  scope: 'messages:send',
  summary: 'Send a message',
  description:
    'A message that is posted after another was answered goes out after it. Sessions that are `starting` or `disconnected`, or whose session node is away, take messages too: they wait until `expiresInSeconds` is over.',
  idempotent: true,
  params: z.object({ session: sessionInPath }),
  headers: preferWait,
  body: {
    schema: MessageRequest,
    examples: {
      text: { to: examples.phone, type: 'text', text: { body: 'Your order is ready.' }, reference: 'order-77' },
      image: {
        to: examples.phone,
        type: 'image',
        image: { url: 'https://shop.example.com/card.png', caption: 'Is this the right one?' },
      },
      document: { to: '120363041234567890@g.us', type: 'document', document: { id: examples.media } },
      location: { to: examples.phone, type: 'location', location: { latitude: 52.52, longitude: 13.405 } },
      poll: { to: examples.phone, type: 'poll', poll: { question: 'When?', options: ['Tuesday', 'Friday'] } },
      reaction: { type: 'reaction', reaction: { messageId: examples.message, emoji: '👍' } },
    },
  },
  codes: sendingCodes,
  answers: answersOfSending,
})

const answersPage = {
  200: {
    description: 'A page of messages.',
    schema: pageOf(answeredMessage).meta({ id: 'MessagePage' }),
    examples: { messages: { data: [exampleReceived, exampleMessage] } },
  },
} satisfies Record<number, Answer>

export const listing = {
  method: 'get',
  scope: 'messages:read',
  query: ListMessages,
  codes: ['invalid_number', 'session_not_found'],
  answers: answersPage,
} as const

export const listMessages = operation({
  ...listing,
  id: 'listMessages',
  path: '/api/v1/messages',
  tag,
  summary: 'List messages, newest first',
  description: 'Everything that went out or came in, whoever sent it.',
})

const answersMessage = (description: string, more: object = {}) => ({
  200: { description, schema: answeredMessage, examples: { message: { ...exampleMessage, ...more } } },
})

export const getMessage = operation({
  id: 'getMessage',
  method: 'get',
  path: '/api/v1/messages/{id}',
  tag,
  scope: 'messages:read',
  summary: 'Get a message',
  params,
  codes: ['not_found:message_not_found'],
  answers: answersMessage('The message with its history.', { history: exampleHistory }),
})

export const cancelMessage = operation({
  id: 'cancelMessage',
  audited: false,
  method: 'delete',
  path: '/api/v1/messages/{id}',
  tag,
  scope: 'messages:send',
  summary: 'Take a pending message back',
  description: 'When its session node is away and may have it, nothing changes.',
  callsNode: true,
  params,
  codes: ['not_found:message_not_found', 'already_sent'],
  answers: answersMessage('The message: it is not sent.', { status: 'failed', reason: 'cancelled' }),
})

const deciding = {
  method: 'post',
  tag,
  scope: 'messages:send',
  idempotent: true,
  callsNode: true,
  params,
  codes: ['not_found:message_not_found', 'not_held'],
} as const

export const resendMessage = operation({
  ...deciding,
  id: 'resendMessage',
  path: '/api/v1/messages/{id}/resend',
  summary: 'Send a held message again',
  description:
    'It is looked for once more, and sent under the same WhatsApp id if there is no trace of it. Asked again, it changes nothing.',
  body: { schema: Nothing, optional: true, examples: {} },
  answers: answersMessage('The message as it is now.', { status: 'unknown', reason: 'resend_requested' }),
})

export const settleMessage = operation({
  ...deciding,
  id: 'settleMessage',
  path: '/api/v1/messages/{id}/settle',
  summary: 'Say what became of a held message',
  description: 'Asked again, it changes nothing.',
  body: { schema: Settle, examples: { sent: { status: 'sent' } } },
  answers: answersMessage('The message as it is now.', { status: 'sent', reason: 'settled_sent' }),
})

export const messageOperations = [sendMessage, listMessages, getMessage, cancelMessage, resendMessage, settleMessage]
