import { createHash } from 'node:crypto'
import { z } from 'zod'
import { type Content, mediaContent, mediaTypes } from '../../proto/contract.js'
import { parseRecipient } from '../../proto/recipient.js'
import { AppError } from '../../runtime/app-error.js'
import { defined } from '../../runtime/defined.js'
import { phone } from './session-requests.js'

const chat = z.string().transform((text, context) => {
  try {
    return parseRecipient(text).chatId
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof AppError ? error.message : 'is no chat' })
    return z.NEVER
  }
})
const line = z.string().min(1).max(1_024)
const file = z.strictObject({
  base64: z.base64().min(4),
  mimetype: z.string().regex(/^[\w.+-]+\/[\w.+-]+(;.*)?$/, 'must be a media type'),
  filename: line.optional(),
  caption: line.optional(),
})
const who = { from: chat, fromName: line.optional(), chatId: chat.optional(), replyTo: line.optional() }
const plain = z.discriminatedUnion('type', [
  z.strictObject({ ...who, type: z.literal('text'), text: z.strictObject({ body: z.string().min(1).max(65_536) }) }),
  z.strictObject({
    ...who,
    type: z.literal('location'),
    location: z.strictObject({
      latitude: z.number().min(-90).max(90),
      longitude: z.number().min(-180).max(180),
      name: line.optional(),
      address: line.optional(),
    }),
  }),
  z.strictObject({
    ...who,
    type: z.literal('contacts'),
    contacts: z
      .array(z.strictObject({ name: line, phones: z.array(line).min(1), vcard: z.string().max(65_536).optional() }))
      .min(1),
  }),
  z.strictObject({
    ...who,
    type: z.literal('poll'),
    poll: z.strictObject({
      question: line,
      options: z.array(line).min(2).max(12),
      multiple: z.boolean().default(false),
    }),
  }),
  z.strictObject({
    ...who,
    type: z.literal('reaction'),
    reaction: z.strictObject({ waMessageId: line, emoji: z.string().max(32) }),
  }),
  ...mediaTypes.map((type) => z.strictObject({ ...who, type: z.literal(type), [type]: file })),
])

export const SandboxPair = z.strictObject({ phone: phone.optional() })
export const SandboxReceive = plain
export const SandboxDisconnect = z.strictObject({ forMs: z.number().int().min(1).max(3_600_000).default(1_000) })
export type SandboxReceive = z.output<typeof SandboxReceive>

export interface Received {
  from: string
  fromName?: string | undefined
  chatId?: string | undefined
  replyTo?: string | undefined
  content: Content
  /** The bytes of its file, to be put on the node first. */
  file?: Buffer
}

/** What a contact of a sandbox session is to send. */
export function receivedOf(request: SandboxReceive): Received {
  const { from, fromName, chatId, replyTo, ...content } = request
  const same = { from, fromName, chatId, replyTo }
  const mediaType = mediaTypes.find((type) => type === content.type)
  if (!mediaType) return { ...same, content: content as unknown as Content }
  const given = (content as unknown as Record<string, z.output<typeof file>>)[mediaType] as z.output<typeof file>
  const bytes = Buffer.from(given.base64, 'base64')
  const { base64: _, ...named } = given
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const { mimetype, ...rest } = named
  const media = { ...defined(rest), mimetype, sha256, size: bytes.length }
  return { ...same, content: mediaContent(mediaType, media), file: bytes }
}
