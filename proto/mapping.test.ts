import { describe, expect, it } from 'vitest'
import type { Content, EventBody, Media, NodeSession, OutgoingMessage, WatchItem } from './contract.js'
import { watchItemFromProto, watchItemToProto } from './event-mapping.js'
import type { WatchResponse } from './generated/switchboard/v1/WatchResponse.js'
import { SessionNode } from './rpc.js'

/** Through the real serialisation, so that defaults and absent fields are what a caller sees. */
function overTheWire(item: WatchItem): WatchItem {
  const { responseSerialize, responseDeserialize } = SessionNode.service.Watch
  return watchItemFromProto(responseDeserialize(responseSerialize(watchItemToProto(item))) as WatchResponse)
}

const media: Media = { sha256: 'ab'.repeat(32), mimetype: 'image/png', size: 5, caption: 'Größe 😀' }
const contents: Content[] = [
  { type: 'text', text: { body: 'héllo \u{1F600}\n' } },
  { type: 'image', image: media },
  { type: 'video', video: { ...media, seconds: 3 } },
  { type: 'audio', audio: media },
  { type: 'voice', voice: media },
  { type: 'document', document: { ...media, filename: 'a b.pdf' } },
  { type: 'sticker', sticker: { sha256: '', mimetype: 'image/webp', size: 0, missing: 'media_expired' } },
  { type: 'location', location: { latitude: -33.5, longitude: 0, name: 'Here' } },
  { type: 'contacts', contacts: [{ name: 'Ada', phones: ['4915112345678'], vcard: 'BEGIN:VCARD' }] },
  { type: 'poll', poll: { question: 'Tea?', options: ['yes', 'no'], multiple: false } },
  { type: 'reaction', reaction: { waMessageId: '3EB0AA', emoji: '' } },
  { type: 'unsupported', unsupported: { waType: 'order' } },
]

const session: NodeSession = {
  id: 'ses_1',
  tenantId: 'ten_1',
  name: 'shop',
  engine: 'sandbox',
  status: 'connected',
  reason: 'linked',
  phone: '4915112345678',
  pacing: { gapMs: 0, jitterMs: 0, messagesPerDay: 0 },
  connectedAt: 1_700_000_000_000,
  changedAt: 1_700_000_000_001,
  waiting: 0,
}

const outgoing: OutgoingMessage = {
  id: 'msg_1',
  waMessageId: '3EB0AA',
  to: '4915112345678@c.us',
  content: { type: 'text', text: { body: 'Hi' } },
  replyTo: '3EB0BB',
  mentions: ['1@c.us'],
  expiresInMs: 86_400_000,
  origin: 'telegram',
  onUnknown: 'hold',
}

const bodies: EventBody[] = [
  { kind: 'session_status', session },
  { kind: 'message_queued', message: outgoing },
  { kind: 'message_status', waMessageId: 'A', chatId: '1@c.us', status: 'played' },
  {
    kind: 'message_status',
    messageId: 'msg_1',
    waMessageId: 'A',
    chatId: '1@c.us',
    status: 'failed',
    reason: 'expired',
  },
  ...contents.map((content): EventBody => ({
    kind: 'message_received',
    waMessageId: 'A',
    chatId: '1@g.us',
    from: '2@c.us',
    to: '3@c.us',
    fromPhone: '2',
    origin: 'contact',
    content,
    mentions: [],
    sentAt: 1_700_000_000_000,
  })),
  { kind: 'message_edited', waMessageId: 'A', chatId: '1@c.us', body: 'new' },
  { kind: 'message_deleted', waMessageId: 'A', chatId: '1@c.us' },
  {
    kind: 'message_reaction',
    waMessageId: 'A',
    chatId: '1@c.us',
    from: '2@c.us',
    fromPhone: '2',
    fromLid: '7@lid',
    fromName: 'Anna',
    emoji: '👍',
  },
  {
    kind: 'poll_vote',
    waMessageId: 'A',
    chatId: '1@c.us',
    from: '2@c.us',
    fromPhone: '2',
    fromLid: '7@lid',
    fromName: 'Anna',
    options: ['yes'],
  },
  { kind: 'group', change: 'updated', chatId: '1@g.us', participants: [], people: [], what: 'subject' },
  {
    kind: 'group',
    change: 'joined',
    chatId: '1@g.us',
    by: '2@c.us',
    byPerson: { id: '2@c.us', phone: '2', lid: '7@lid', name: 'Anna' },
    participants: ['8@lid'],
    people: [{ id: '8@lid', lid: '8@lid' }],
  },
  { kind: 'call', callId: 'C', from: '2@c.us', fromLid: '7@lid', fromName: 'Anna', video: true, group: false },
]

describe('mapping', () => {
  it.each(bodies.map((body) => [body.kind, body] as const))('brings a %s event over the wire unchanged', (_, body) => {
    const event = { id: 'evt_1', sessionId: 'ses_1', tenantId: 'ten_1', epoch: 'e', position: 7, at: 9, body } as const
    expect(overTheWire({ kind: 'event', event })).toEqual({ kind: 'event', event })
  })

  it('brings a snapshot and a QR over the wire unchanged', () => {
    const qr = { sessionId: 'ses_1', qr: '2@abc', expiresAt: 12 } as const
    const snapshot: WatchItem = {
      kind: 'snapshot',
      sessions: [session],
      qrs: [qr],
      cursor: { epoch: 'e', position: 0 },
    }
    expect(overTheWire(snapshot)).toEqual(snapshot)
    expect(overTheWire({ kind: 'qr', qr })).toEqual({ kind: 'qr', qr })
  })
})
