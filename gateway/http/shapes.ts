/** Parts that the shapes of many answers have in common. */
import { z } from 'zod'
import type { Answer } from './operation.js'

/** A time as answers tell it. */
export const time = z.iso.datetime({ precision: 3 }).describe('RFC 3339, UTC, with milliseconds')

const ulid = '[0-9a-hjkmnp-tv-z]{26}'
/** An id of ours: its kind, and a ULID. */
export const idOf = <Prefix extends string>(prefix: Prefix) =>
  z.templateLiteral([`${prefix}_`, z.string().regex(new RegExp(ulid))])

export const phone = z
  .string()
  .regex(/^\+[0-9]{5,20}$/)
  .describe('with +')

/** What a field of a path is, whatever stands there: what is not known is `404`, not `400`. */
export const inPath = (description: string, example: string) =>
  z.string().meta({ description, example, param: { example } })

export const sessionInPath = inPath('the id (`ses_…`) or the name of a session', 'shop')

/** A file in a form, as the document shows it. */
export const fileInForm = z.string().meta({ format: 'binary', description: 'the file' })

/** What a page that the gateway serves is made of. */
export const asset = {
  description: 'The file.',
  otherTypes: {
    'text/css': { description: 'a style sheet' },
    'text/javascript': { description: 'a script' },
    'image/svg+xml': { description: 'a picture' },
  },
} satisfies Answer

/** A page of a list. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({
    data: z.array(item),
    nextCursor: z.string().describe('what `cursor` the next page has; absent on the last page').optional(),
  })

/** Things that make an example readable, the same in all of them. */
export const examples = {
  session: 'ses_01kaxq2v9x4m2c8d7h0w5r3t1z',
  sessionName: 'shop',
  node: 'nod_01kaxq1m5s7t8v9w0x1y2z3a4b',
  message: 'msg_01kaxq2w3y5n6p7q8r9s0t1v2w',
  media: 'med_01kaxq2w4b6c7d8e9f0g1h2j3k',
  webhook: 'whk_01kaxq3a1b2c3d4e5f6g7h8j9k',
  delivery: 'dlv_01kaxq3b2c3d4e5f6g7h8j9k0m',
  event: 'evt_01kaxq2w5c6d7e8f9g0h1j2k3m',
  request: 'req_01kaxq2v9x4m2c8d7h0w5r3t1z',
  phone: '+4915112345678',
  time: '2026-11-22T20:53:05.746Z',
} as const
