/** What callers may ask to be sent (design: HTTP API), as schemas. Numbers and ids are looked at afterwards. */
import { z } from 'zod'
import { contentTypes, messageStatuses } from '../../proto/contract.js'
import { pageFields } from '../http/pagination.js'
import { fileInForm } from '../http/shapes.js'

export const MAX_TEXT = 65_536
export const MAX_EXPIRES_SECONDS = 7 * 86_400
const DEFAULT_EXPIRES_SECONDS = 86_400

/** Text that every part can keep: half of a surrogate pair would become a replacement character on the way. */
export const wellFormed = z.string().refine((text) => text.isWellFormed(), 'holds half of a surrogate pair')

const written = (max: number) => wellFormed.min(1).max(max)
// A blank at the end would be lost to comparisons in MySQL.
const reference = written(255).refine((text) => text === text.trim(), 'begins or ends with a blank')

const filename = written(255).optional()
const mediaSource = z.union(
  [
    z.strictObject({ id: written(64), filename, caption: wellFormed.max(MAX_TEXT).optional() }),
    z.strictObject({ url: written(4_096), filename, caption: wellFormed.max(MAX_TEXT).optional() }),
    z.strictObject({
      base64: z.string().min(1),
      mimetype: written(127),
      filename,
      caption: wellFormed.max(MAX_TEXT).optional(),
    }),
  ],
  { error: 'must be {"id"}, {"url"} or {"base64", "mimetype", "filename"}, with "caption" and "filename" if wanted' },
)
export type MediaSource = z.output<typeof mediaSource>

const common = {
  to: written(128),
  replyTo: written(64).optional(),
  mentions: z.array(written(128)).max(256).default([]),
  reference: reference.optional(),
  expiresInSeconds: z.int().min(1).max(MAX_EXPIRES_SECONDS).default(DEFAULT_EXPIRES_SECONDS),
  onUnknown: z.enum(['resend', 'hold']).default('resend'),
}

const contact = z.strictObject({
  name: written(255),
  phones: z.array(written(40)).min(1).max(20),
  vcard: written(16_384).optional(),
})

const poll = z.strictObject({
  question: written(255),
  options: z
    .array(written(100))
    .min(2)
    .max(12)
    .refine((options) => new Set(options).size === options.length, 'holds the same option twice'),
  multiple: z.boolean().default(false),
})

const location = z.strictObject({
  latitude: z.number().min(-90).max(90),
  longitude: z.number().min(-180).max(180),
  name: written(1_000).optional(),
  address: written(1_000).optional(),
})

/** The body of `POST /sessions/{session}/messages`. */
export const MessageRequest = z.discriminatedUnion('type', [
  z.strictObject({ ...common, type: z.literal('text'), text: z.strictObject({ body: written(MAX_TEXT) }) }),
  z.strictObject({ ...common, type: z.literal('image'), image: mediaSource }),
  z.strictObject({ ...common, type: z.literal('video'), video: mediaSource }),
  z.strictObject({ ...common, type: z.literal('audio'), audio: mediaSource }),
  z.strictObject({ ...common, type: z.literal('voice'), voice: mediaSource }),
  z.strictObject({ ...common, type: z.literal('document'), document: mediaSource }),
  z.strictObject({ ...common, type: z.literal('sticker'), sticker: mediaSource }),
  z.strictObject({ ...common, type: z.literal('location'), location }),
  z.strictObject({ ...common, type: z.literal('contacts'), contacts: z.array(contact).min(1).max(50) }),
  z.strictObject({ ...common, type: z.literal('poll'), poll }),
  z.strictObject({
    ...common,
    // A reaction goes to the chat of its message unless told otherwise.
    to: written(128).optional(),
    type: z.literal('reaction'),
    // An empty emoji takes the reaction back.
    reaction: z.strictObject({ messageId: written(64), emoji: wellFormed.max(32) }),
  }),
])
export type MessageRequest = z.output<typeof MessageRequest>
/** What a caller writes, before defaults. */
export type MessageRequestInput = z.input<typeof MessageRequest>

/** `POST /messages/send-text`. */
export const SendTextRequest = z.strictObject({
  session: written(64).default('default'),
  recipient: written(128),
  message: written(MAX_TEXT),
  reference: reference.optional(),
})

/** The fields of `POST /messages/send-media`, beside `file`. */
export const SendMediaRequest = z.strictObject({
  session: written(64).default('default'),
  recipient: written(128),
  url: written(4_096).optional(),
  caption: wellFormed.max(MAX_TEXT).optional(),
  filename,
  type: z.enum(['image', 'video', 'audio', 'voice', 'document', 'sticker']).optional(),
  reference: reference.optional(),
})
export type SendMediaRequest = z.output<typeof SendMediaRequest>

/** The form of `POST /messages/send-media`, for the document: the file is streamed past schemas. */
export const SendMediaForm = SendMediaRequest.extend({ file: fileInForm.optional() })

export const Nothing = z.strictObject({})
/** What a person knows of a message. */
export const Settle = z.strictObject({ status: z.enum(['sent', 'failed']) })

const moment = z.iso.datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
const toMs = moment.transform((text) => Date.parse(text))

/** The query of `GET /messages`. */
export const ListMessages = z.object({
  ...pageFields,
  session: z.string().min(1).max(64).describe('id or name').optional(),
  chatId: z.string().min(1).max(128).describe('a chat id or a phone number').optional(),
  direction: z.enum(['in', 'out']).optional(),
  status: z.enum(messageStatuses).optional(),
  type: z.enum(contentTypes).optional(),
  since: toMs.describe('made then or later').optional(),
  until: toMs.describe('made before').optional(),
})
