import { operation } from '../http/operation.js'
import { examples } from '../http/shapes.js'
import { answersOfSending, listing, preferWait, sendingCodes } from './message-operations.js'
import { SendMediaForm, SendMediaRequest, SendTextRequest } from './message-request.js'

const tag = 'Short paths'
const waits = 'Waits for the result, up to 30 s or as `Prefer` says.'

export const sendText = operation({
  id: 'sendText',
  audited: false,
  method: 'post',
  path: '/api/v1/messages/send-text',
  tag,
  scope: 'messages:send',
  summary: 'Send a text',
  description: waits,
  idempotent: true,
  headers: preferWait,
  body: {
    schema: SendTextRequest,
    examples: { text: { recipient: examples.phone, message: 'Your order is ready.' } },
  },
  codes: sendingCodes,
  answers: answersOfSending,
})

export const sendMedia = operation({
  id: 'sendMedia',
  audited: false,
  method: 'post',
  path: '/api/v1/messages/send-media',
  tag,
  scope: 'messages:send',
  summary: 'Send a file',
  description: `A form with \`file\`, or JSON with \`url\`. Sent as what the file is, unless \`type\` says: a picture as \`image\`, … the rest as \`document\`. ${waits}`,
  idempotent: true,
  headers: preferWait,
  body: {
    schema: SendMediaRequest.required({ url: true }),
    readByHandler: true,
    examples: { url: { recipient: examples.phone, url: 'https://shop.example.com/card.png', caption: 'This one?' } },
  },
  form: { schema: SendMediaForm },
  codes: [...sendingCodes, 'malformed_form'],
  answers: answersOfSending,
})

export const listMessagesShort = operation({
  ...listing,
  id: 'listMessagesShort',
  path: '/api/v1/messages/list',
  tag,
  summary: 'List messages, newest first',
})

export const shortMessageOperations = [sendText, sendMedia, listMessagesShort]
