/** How the catalogue defines a type of event. One definition makes the code's types, the JSON Schema and the docs. */
import { z } from 'zod'

export interface Definition<Data extends z.ZodObject = z.ZodObject> {
  /** When it happens. */
  description: string
  /** What `data` holds. Nothing else may be in it; receivers have to expect more in later versions. */
  data: Data
  example: z.output<Data>
  /** Parts of `data` that say what people wrote: encrypted where events are kept. */
  sealed: readonly (keyof z.output<Data> & string)[]
  /** False for what concerns the tenant as a whole: no `session`, no `sequence`. */
  ofSession: boolean
}

export function define<Data extends z.ZodObject>(
  definition: Omit<Definition<Data>, 'sealed' | 'ofSession'> & Partial<Pick<Definition<Data>, 'sealed' | 'ofSession'>>,
): Definition<Data> {
  return { sealed: [], ofSession: true, ...definition }
}

const ulid = '[0-9a-hjkmnp-tv-z]{26}'
/** An id of ours. */
export const idOf = <Prefix extends string>(prefix: Prefix) =>
  z.templateLiteral([`${prefix}_`, z.string().regex(new RegExp(ulid))])

export const time = z.iso.datetime({ precision: 3 }).describe('RFC 3339, UTC, with milliseconds')
export const phone = z
  .string()
  .regex(/^\+[0-9]{5,20}$/)
  .describe('with +')
export const chatId = z
  .string()
  .describe(
    'the conversation: …@c.us (a person, by phone number), …@lid (a person whose number WhatsApp hides), …@g.us, …@newsletter',
  )
export const waMessageId = z.string().describe("WhatsApp's id of the message")
export const messageId = idOf('msg').describe('our id of the message, when it is one that Switchboard keeps')
export const person = z.string().describe('the phone number with + when it is known, else the chat id')

/** Who did something: the number beside the LID, as far as WhatsApp tells. */
export const sender = {
  from: person,
  fromId: z.string().describe('chat id of that person'),
  fromLid: z.string().describe('…@lid').optional(),
  fromName: z.string().describe('the name that the person chose').optional(),
}

export const examples = {
  session: { id: 'ses_01kaxq2v9x4m2c8d7h0w5r3t1z', name: 'shop', phone: '+4915100000000' },
  messageId: 'msg_01kaxq2w3y5n6p7q8r9s0t1v2w',
  waMessageId: '3EB0D55F45653DDE2FE4AA',
  incomingId: '3A5F0C8E21B7D9640F13',
  chatId: '4915112345678@c.us',
  phone: '+4915112345678',
  lid: '81234567890123@lid',
  group: '120363041234567890@g.us',
  time: '2026-11-22T20:53:05.746Z',
} as const
