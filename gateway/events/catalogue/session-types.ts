/** What happens to sessions, in groups, and calls. */
import { z } from 'zod'
import { type SessionStatus, sessionStatuses } from '../../../proto/contract.js'
import { chatId, define, examples, person, phone, sender } from './definition.js'

const status = <Status extends SessionStatus>(value: Status) =>
  z.strictObject({
    status: z.literal(value),
    reason: z.string().describe('a word for programs').optional(),
    detail: z.string().describe('a sentence for people').optional(),
    phone: phone.optional(),
    lid: z.string().describe('…@lid').optional(),
    pushName: z.string().describe("the number's own name on WhatsApp").optional(),
  })
const linked = { phone: examples.session.phone, lid: '81234567890999@lid', pushName: 'The Shop' } as const

const group = {
  chatId: chatId.describe('the group: …@g.us'),
  by: person.describe('who did it').optional(),
  byId: z.string().describe('chat id of that person').optional(),
  byLid: sender.fromLid,
  byName: sender.fromName,
  participants: z.array(person).describe('whom it concerns'),
  people: z
    .array(
      z.strictObject({
        id: z.string().describe('chat id'),
        phone: phone.optional(),
        lid: sender.fromLid,
        name: sender.fromName,
      }),
    )
    .describe('the same, with all that is known of each'),
}
const exampleGroup = {
  ...{ chatId: examples.group, by: '+4915122222222', byId: '4915122222222@c.us', byLid: '81234567890777@lid' },
  ...{ byName: 'Ben', participants: [examples.phone] },
  people: [{ id: examples.chatId, phone: examples.phone, lid: examples.lid, name: 'Anna' }],
}
const what = z.string().describe('what happened, as WhatsApp names it; after a colon the new text').optional()

export const sessionTypes = {
  'session.created': define({
    description: 'A session was made.',
    data: status('created'),
    example: { status: 'created' },
  }),
  'session.starting': define({
    description: 'Its browser is being started, or the number is being linked.',
    data: status('starting'),
    example: { status: 'starting', reason: 'starting' },
  }),
  'session.qr_pending': define({
    description:
      'It waits for a phone to scan the QR code, which is never in an event: `GET /sessions/{session}/qr` has it.',
    data: status('qr_pending'),
    example: { status: 'qr_pending', reason: 'qr_shown' },
  }),
  'session.connected': define({
    description: 'The number is linked and online.',
    data: status('connected'),
    example: { status: 'connected', reason: 'linked', ...linked },
  }),
  'session.disconnected': define({
    description:
      'It is not online, and comes back by itself. A node that is away cannot tell: look at `GET /sessions`.',
    data: status('disconnected'),
    example: { status: 'disconnected', reason: 'browser_crashed', ...linked },
  }),
  'session.stopped': define({
    description: 'Somebody stopped it, or nobody scanned its QR codes.',
    data: status('stopped'),
    example: { status: 'stopped', reason: 'stopped_by_request', ...linked },
  }),
  'session.logged_out': define({
    description: 'The number was unlinked. A start shows a new QR code.',
    data: status('logged_out'),
    example: { status: 'logged_out', reason: 'logged_out_by_phone' },
  }),
  'session.failed': define({
    description: 'It needs a person; `reason` says why.',
    data: status('failed'),
    example: { status: 'failed', reason: 'banned', ...linked },
  }),
  'group.joined': define({
    description: 'Somebody was added to a group of this number, or joined it.',
    data: z.strictObject({ ...group, what }),
    example: { ...exampleGroup, what: 'add' },
    sealed: ['what'],
  }),
  'group.left': define({
    description: 'Somebody left a group, or was removed from it.',
    data: z.strictObject({ ...group, what }),
    example: { ...exampleGroup, what: 'remove' },
    sealed: ['what'],
  }),
  'group.updated': define({
    description: 'The subject, description, picture or a setting of a group was changed.',
    data: z.strictObject({ ...group, what }),
    example: { ...exampleGroup, participants: [], people: [], what: 'subject: Summer party' },
    sealed: ['what'],
  }),
  'call.received': define({
    description: 'Somebody calls the number. Switchboard cannot answer it.',
    data: z.strictObject({
      callId: z.string(),
      chatId: chatId.optional(),
      ...sender,
      video: z.boolean(),
      group: z.boolean(),
    }),
    example: {
      ...{ callId: 'A1B2C3D4E5F60718', chatId: examples.chatId, from: examples.phone, fromId: examples.chatId },
      ...{ fromLid: examples.lid, fromName: 'Anna', video: false, group: false },
    },
  }),
  'event.unreadable': define({
    description: 'A session node told something that could not be stored. It stands in the place of what it was.',
    data: z.strictObject({ problem: z.string() }),
    example: { problem: 'It could not be stored.' },
  }),
}

/** Every status of a session has its event. */
sessionTypes satisfies Record<`session.${(typeof sessionStatuses)[number]}`, unknown>
