/** What happens to messages. */
import { z } from 'zod'
import { type MessageStatus, messageStatuses } from '../../../proto/contract.js'
import { chatId, define, examples, messageId, person, sender, waMessageId } from './definition.js'
import { exampleQueued, exampleReceived, shownMessage } from './shown-message.js'

const whole = { messageId, message: shownMessage }

/** `messageId` is absent for a message that was not sent through Switchboard and is not kept by it. */
const status = <Status extends MessageStatus>(value: Status) =>
  z.strictObject({
    messageId: messageId.optional(),
    chatId: chatId.optional(),
    waMessageId: waMessageId.optional(),
    to: person.optional(),
    status: z.literal(value),
    reason: z.string().describe('a word for programs').optional(),
    error: z.string().describe('a sentence for people').optional(),
    reference: z.string().describe('yours, from when it was sent').optional(),
  })

const exampleStatus = {
  messageId: examples.messageId,
  chatId: examples.chatId,
  waMessageId: examples.waMessageId,
  to: examples.phone,
  reference: 'order-77',
} as const

const changed = {
  messageId: messageId.optional(),
  chatId,
  waMessageId,
}
const exampleChanged = {
  messageId: examples.messageId,
  chatId: examples.chatId,
  waMessageId: examples.incomingId,
} as const
const exampleSender = {
  from: examples.phone,
  fromId: examples.chatId,
  fromLid: examples.lid,
  fromName: 'Anna',
} as const
/** Who wrote the message, as far as Switchboard keeps it. */
const author = {
  direction: z.enum(['in', 'out']).optional(),
  from: person.optional(),
  fromLid: sender.fromLid,
  fromName: sender.fromName,
}
const exampleAuthor = { direction: 'in', from: examples.phone, fromLid: examples.lid, fromName: 'Anna' } as const

export const messageTypes = {
  'message.queued': define({
    description:
      'An operator sent a message from Telegram. What you send through the API has no such event: the answer said so.',
    data: z.strictObject(whole),
    example: { messageId: examples.messageId, message: exampleQueued },
    sealed: ['message'],
  }),
  'message.pending': define({
    description: 'A message waits for another reason than before, such as the daily cap of its session.',
    data: status('pending'),
    example: { ...exampleStatus, status: 'pending', reason: 'daily_cap' },
  }),
  'message.received': define({
    description: 'A message came in. Its file, if it has one, is fetched from `url`.',
    data: z.strictObject(whole),
    example: { messageId: examples.messageId, message: exampleReceived },
    sealed: ['message'],
  }),
  'message.sent': define({
    description:
      'WhatsApp has taken a message. With `message` when it was typed on the linked phone: it is new to you.',
    data: status('sent').extend({ message: shownMessage.optional() }),
    example: { ...exampleStatus, status: 'sent' },
    sealed: ['message'],
  }),
  'message.delivered': define({
    description: "The recipient's phone has the message.",
    data: status('delivered'),
    example: { ...exampleStatus, status: 'delivered' },
  }),
  'message.read': define({
    description: 'The recipient opened the message, unless they switched that off.',
    data: status('read'),
    example: { ...exampleStatus, status: 'read' },
  }),
  'message.played': define({
    description: 'The recipient played the voice message.',
    data: status('played'),
    example: { ...exampleStatus, status: 'played' },
  }),
  'message.failed': define({
    description: 'The message certainly was not sent. Should WhatsApp say otherwise later, `message.sent` follows.',
    data: status('failed'),
    example: {
      ...exampleStatus,
      status: 'failed',
      reason: 'not_on_whatsapp',
      error: 'The number is not on WhatsApp.',
    },
  }),
  'message.unknown': define({
    description:
      'The message may have been sent; it is being looked for, or waits for a person to decide (`held`, `node_lost`).',
    data: status('unknown'),
    example: { ...exampleStatus, status: 'unknown', reason: 'outcome_unknown' },
  }),
  'message.edited': define({
    description: 'Somebody changed the text of a message, or the caption of its file.',
    data: z.strictObject({ ...changed, ...author, body: z.string().describe('the new text') }),
    example: { ...exampleChanged, ...exampleAuthor, body: 'At six, not at five.' },
    sealed: ['body'],
  }),
  'message.deleted': define({
    description: 'Somebody took a message back for everyone.',
    data: z.strictObject({ ...changed, ...author }),
    example: { ...exampleChanged, ...exampleAuthor },
  }),
  'message.reaction': define({
    description: 'Somebody reacted to a message, or took the reaction back.',
    data: z.strictObject({ ...changed, ...sender, emoji: z.string().describe('empty: taken back') }),
    example: { ...exampleChanged, ...exampleSender, emoji: '👍' },
    sealed: ['emoji'],
  }),
  'poll.vote': define({
    description: 'Somebody voted in a poll, or changed their vote.',
    data: z.strictObject({ ...changed, ...sender, options: z.array(z.string()).describe('all that are chosen now') }),
    example: { ...exampleChanged, ...exampleSender, options: ['Tuesday'] },
    sealed: ['options'],
  }),
}

/** Every status of a message has its event. */
messageTypes satisfies Record<`message.${(typeof messageStatuses)[number]}`, unknown>
