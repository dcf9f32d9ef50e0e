import { MsgKey } from './msg-key.js'
import { myWidFor, page } from './state.js'
import { fromServer, toServer } from './wid.js'

/** How WhatsApp Web names the kinds of messages, by the server's names. Contacts are one kind or the other by number. */
const TYPES = { text: 'chat', voice: 'ptt', poll: 'poll_creation', group: 'gp2' }
const SERVER_TYPES = { chat: 'text', ptt: 'voice', poll_creation: 'poll', vcard: 'contacts', multi_vcard: 'contacts' }
const CARRIED = ['image', 'video', 'audio', 'document', 'sticker', 'location', 'revoked', ...Object.keys(SERVER_TYPES)]

/** The key under which this page knows a message of the server's. */
export function keyOf({ id, chat, from, fromMe }) {
  const remote = fromServer(chat)
  const participant = remote.isGroup() ? (fromMe ? myWidFor(remote) : fromServer(from)) : undefined
  return new MsgKey({
    from: fromMe ? myWidFor(remote) : remote,
    to: fromMe ? remote : myWidFor(remote),
    id,
    participant,
    selfDir: fromMe ? 'out' : 'in',
  })
}

/** The properties of a message model, from what the server says about the message. */
export function attributesOf(message) {
  const id = keyOf(message)
  const inGroup = id.remote.isGroup()
  return {
    id,
    type: typeOf(message),
    body: message.body,
    t: Math.floor(message.at / 1000),
    from: message.fromMe ? myWidFor(id.remote) : id.remote,
    to: message.fromMe ? id.remote : myWidFor(id.remote),
    author: inGroup ? fromServer(message.from) : undefined,
    self: message.fromMe ? 'out' : 'in',
    ack: message.ack,
    notifyName: message.name,
    star: false,
    isForwarded: message.forwarded,
    mentionedJidList: (message.mentions ?? []).map(fromServer),
    hasReaction: message.reactions?.length > 0,
    latestEditSenderTimestampMs: message.editedAt,
    protocolMessageKey: message.revokedAt ? id : undefined,
    ...(message.revokedAt ? { body: undefined } : contentOf(message)),
    ...(message.quoted && quotedOf(message.quoted, id.remote)),
  }
}

function typeOf({ type, contacts, revokedAt }) {
  if (revokedAt) return 'revoked'
  if (type === 'contacts') return contacts?.length === 1 ? 'vcard' : 'multi_vcard'
  return TYPES[type] ?? type
}

function contentOf({ body, media, location, contacts, poll, notice }) {
  if (media) return mediaOf(media, body)
  if (location) {
    const { latitude, longitude, name, address, url } = location
    const loc = [name, address].filter((part) => part !== undefined).join('\n')
    return { lat: latitude, lng: longitude, loc: loc || undefined, clientUrl: url, body: undefined }
  }
  if (contacts?.length === 1) {
    return { body: contacts[0].vcard, vcardFormattedName: contacts[0].name }
  }
  if (contacts) return { vcardList: contacts.map(({ name, vcard }) => ({ displayName: name, vcard })), body: undefined }
  if (poll) {
    return {
      pollName: poll.question,
      pollOptions: poll.options.map((name, localId) => ({ name, localId })),
      pollSelectableOptionsCount: poll.multiple ? 0 : 1,
      body: undefined,
    }
  }
  if (notice) return { subtype: notice.kind, recipients: notice.recipients.map((id) => fromServer(id).toString()) }
  return {}
}

function mediaOf(media, caption) {
  return {
    body: undefined,
    caption,
    mimetype: media.mimetype,
    filename: media.filename,
    size: media.size,
    duration: media.seconds === undefined ? undefined : String(media.seconds),
    isGif: media.gif,
    isViewOnce: media.viewOnce,
    directPath: media.path,
    filehash: media.filehash,
    encFilehash: media.filehash,
    mediaKey: media.key,
    mediaKeyTimestamp: Math.floor(Date.now() / 1000),
  }
}

function quotedOf(quoted, remote) {
  return {
    quotedStanzaID: quoted.id,
    quotedParticipant: quoted.from === page.me.phone.toString() ? myWidFor(remote) : fromServer(quoted.from),
    quotedMsg: { type: typeOf(quoted), body: quoted.body, ...contentOf(quoted) },
  }
}

/** What the server is given for a message that WhatsApp Web is asked to send. */
export function toWire(message) {
  const { type } = message
  if (!CARRIED.includes(type))
    throw new Error(`The simulator carries no messages of type ${type}: see page/web/wire.js`)
  return {
    id: message.id.id,
    chat: toServer(message.to),
    type: SERVER_TYPES[type] ?? type,
    body: message.directPath ? message.caption : textOf(message),
    media: message.directPath ? mediaToWire(message) : undefined,
    location: type === 'location' ? locationToWire(message) : undefined,
    contacts: contactsToWire(message),
    poll: type === 'poll_creation' ? pollToWire(message) : undefined,
    mentions: (message.mentionedJidList ?? []).map(toServer),
    quoted: message.quotedStanzaID
      ? { id: message.quotedStanzaID, from: toServer(message.quotedParticipant) }
      : undefined,
    forwarded: message.isForwarded,
  }
}

const textOf = ({ type, body }) => (type === 'chat' ? body : undefined)

function mediaToWire({ directPath, mimetype, filename, duration, isGif, isViewOnce }) {
  return {
    path: directPath,
    mimetype,
    filename,
    seconds: duration === undefined ? undefined : Number(duration),
    gif: isGif || undefined,
    viewOnce: isViewOnce || undefined,
  }
}

function locationToWire({ lat, lng, loc, clientUrl }) {
  const [name, address] = typeof loc === 'string' ? loc.split('\n') : []
  return { latitude: lat, longitude: lng, name, address, url: clientUrl }
}

function contactsToWire({ type, body, vcardFormattedName, vcardList }) {
  if (type === 'vcard') return [{ name: vcardFormattedName, vcard: body }]
  if (type === 'multi_vcard') return vcardList.map(({ displayName, vcard }) => ({ name: displayName, vcard }))
  return undefined
}

function pollToWire({ pollName, pollOptions, pollSelectableOptionsCount }) {
  return {
    question: pollName,
    options: pollOptions.map(({ name }) => name),
    multiple: pollSelectableOptionsCount === 0,
  }
}
