import type { Contact, Content, MediaType } from '../../../proto/contract.js'
import type { Enrichment } from './page/page-types.js'

/** A message as the library reports it (`rawData`), as far as it is read here. */
export interface RawMessage {
  id: { id: string; fromMe: boolean; remote: unknown }
  type: string
  t: number
  ack?: number
  from?: unknown
  to?: unknown
  author?: unknown
  body?: string
  caption?: string
  notifyName?: string
  isNotification?: boolean
  isStatusV3?: boolean
  isGif?: boolean
  mimetype?: string
  filename?: string
  size?: number
  duration?: string | number
  filehash?: string
  directPath?: string
  lat?: number
  lng?: number
  loc?: string
  vcardList?: { displayName?: string; vcard: string }[]
  vcardFormattedName?: string
  pollName?: string
  pollOptions?: { name: string }[]
  pollSelectableOptionsCount?: number
  quotedStanzaID?: string
  mentionedJidList?: unknown[]
  protocolMessageKey?: { id?: string }
  latestEditSenderTimestampMs?: number
  switchboard?: Enrichment
}

const mediaTypes: Record<string, MediaType> = {
  image: 'image',
  video: 'video',
  ptv: 'video',
  audio: 'audio',
  ptt: 'voice',
  document: 'document',
  sticker: 'sticker',
}

/** What WhatsApp Web keeps among the messages of a chat that nobody wrote, or that other events tell of. */
const notMessages = new Set([
  'album',
  'broadcast_notification',
  'call_log',
  'ciphertext',
  'debug',
  'e2e_notification',
  'gp2',
  'keep_in_chat',
  'newsletter_notification',
  'notification',
  'notification_template',
  'pinned_message',
  'poll_update',
  'protocol',
  'reaction',
  'reaction_enc',
  'revoked',
])

export function isMessage(raw: RawMessage): boolean {
  return !raw.isNotification && !notMessages.has(raw.type) && raw.isStatusV3 !== true
}

export function mediaTypeOf(raw: RawMessage): MediaType | undefined {
  return mediaTypes[raw.type]
}

/** The content of a message without a file. */
export function plainContent(raw: RawMessage): Content {
  switch (raw.type) {
    case 'chat':
    case 'buttons_response':
    case 'list_response':
    case 'template_button_reply':
      return { type: 'text', text: { body: raw.body ?? '' } }
    case 'location':
      return { type: 'location', location: place(raw) }
    case 'vcard':
      return { type: 'contacts', contacts: [contactOf(raw.body ?? '', raw.vcardFormattedName)] }
    case 'multi_vcard':
      return {
        type: 'contacts',
        contacts: (raw.vcardList ?? []).map((card) => contactOf(card.vcard, card.displayName)),
      }
    case 'poll_creation':
      return {
        type: 'poll',
        poll: {
          question: raw.pollName ?? '',
          options: (raw.pollOptions ?? []).map(({ name }) => name),
          multiple: raw.pollSelectableOptionsCount !== 1,
        },
      }
    default:
      return { type: 'unsupported', unsupported: { waType: raw.type } }
  }
}

function place({ lat, lng, loc }: RawMessage) {
  const [name, ...address] = (loc ?? '').split('\n')
  return {
    latitude: Number(lat ?? 0),
    longitude: Number(lng ?? 0),
    ...(name && { name }),
    ...(address.length > 0 && { address: address.join('\n') }),
  }
}

function contactOf(vcard: string, shownName: string | undefined): Contact {
  const lines = vcard.replace(/\r?\n[ \t]/g, '').split(/\r?\n/)
  const formattedName = lines.find((line) => /^FN[;:]/i.test(line))?.replace(/^[^:]*:/, '')
  const phones = lines
    .filter((line) => /^(?:item\d+\.)?TEL[;:]/i.test(line))
    .map((line) => /waid=(\d+)/i.exec(line)?.[1] ?? line.replace(/^[^:]*:/, '').replace(/[^\d+]/g, ''))
    .map((phone) => (phone.startsWith('+') ? phone : `+${phone}`))
  const name = formattedName?.replace(/\\([\\;,])/g, '$1') ?? shownName ?? ''
  return { name, phones, ...(vcard !== '' && { vcard }) }
}
