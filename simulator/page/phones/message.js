import { attempt, call } from './api.js'
import { element, timeOf } from './dom.js'

const TICKS = { '-1': ['!', 'refused'], 0: ['◷', 'waiting'], 1: ['✓', 'sent'], 2: ['✓✓', 'delivered'] }
const REACTIONS = ['👍', '❤️', '😂']
const NOTICES = {
  create: 'made the group',
  add: 'added',
  remove: 'removed',
  leave: 'left',
  promote: 'made an admin:',
  demote: 'dismissed as admin:',
  subject: 'changed the subject to',
  description: 'changed the description to',
}

/** A message in a chat of this phone. */
export function drawMessage(phone, message, nameOf) {
  if (message.type === 'group') return element('li', { className: 'notice' }, noticeOf(message, nameOf))
  const isGroup = message.chat.endsWith('@g.us')
  return element(
    'li',
    { className: message.fromMe ? 'mine' : 'theirs' },
    isGroup && !message.fromMe ? element('b', { className: 'quiet' }, message.name) : null,
    message.quoted ? element('blockquote', {}, message.quoted.body ?? `(${message.quoted.type})`) : null,
    message.revokedAt ? element('i', { className: 'quiet' }, 'This message was deleted') : contentOf(message, phone),
    footOf(message, phone),
  )
}

/** One line that stands for a message in the list of chats. */
export function summaryOf({ type, body, revokedAt, poll, notice }) {
  if (revokedAt) return 'Deleted'
  if (notice) return NOTICES[notice.kind] ?? notice.kind
  return body ?? poll?.question ?? `[${type}]`
}

function noticeOf({ name, notice, body }, nameOf) {
  return [name, NOTICES[notice.kind] ?? notice.kind, body ?? notice.recipients.map(nameOf).join(', ')].join(' ')
}

function contentOf(message, phone) {
  const { media, location, contacts, poll, body } = message
  const text = body === undefined ? null : element('div', { className: 'body' }, body)
  if (media) return element('div', {}, mediaOf(message), text)
  if (location) return element('div', {}, `📍 ${location.name ?? ''} ${location.latitude}, ${location.longitude}`)
  if (contacts) return element('div', {}, `👤 ${contacts.map(({ name }) => name).join(', ')}`)
  return poll ? pollOf(message, phone) : text
}

function mediaOf({ type, media }) {
  const src = `/media/${media.sha256}?type=${encodeURIComponent(media.mimetype.split(';')[0])}`
  if (type === 'image' || type === 'sticker') return element('img', { src, alt: media.filename ?? `a ${type}` })
  if (type === 'video') return element('video', { src, controls: true })
  if (type === 'audio' || type === 'voice') return element('audio', { src, controls: true })
  return element('a', { href: src, download: media.filename ?? 'document' }, `📄 ${media.filename ?? 'document'}`)
}

function pollOf({ poll, votes, chat, id }, phone) {
  const count = (option) => votes.filter(({ options }) => options.includes(option)).length
  const vote = (option) => attempt(() => call('vote', { number: phone.number, chat, id, options: [option] }))
  const buttons = poll.options.map((option) =>
    element('button', { type: 'button', onclick: () => vote(option) }, `${option} · ${count(option)}`),
  )
  return element('div', {}, element('b', {}, poll.question), element('div', { className: 'row' }, ...buttons))
}

function footOf(message, phone) {
  const mine = `${phone.number}@c.us`
  const emojis = message.reactions.map(({ emoji }) => emoji).join('')
  const react = (emoji) => {
    const taken = message.reactions.some((each) => each.from === mine && each.emoji === emoji)
    const { chat, id } = message
    return attempt(() => call('react', { number: phone.number, chat, id, emoji: taken ? '' : emoji }))
  }
  const buttons = REACTIONS.map((emoji) =>
    element(
      'button',
      { type: 'button', className: 'bare react', title: `React with ${emoji}`, onclick: () => react(emoji) },
      emoji,
    ),
  )
  return element(
    'div',
    { className: 'foot' },
    ...(message.fromMe || message.revokedAt ? [] : buttons),
    emojis ? element('span', { 'aria-label': `Reactions: ${emojis}`, role: 'img' }, emojis) : null,
    message.editedAt ? 'edited' : null,
    timeOf(message.at),
    message.fromMe ? tickOf(message.ack) : null,
  )
}

function tickOf(ack) {
  const [sign, words] = TICKS[ack] ?? ['✓✓', ack === 4 ? 'played' : 'read']
  return element(
    'span',
    { className: ack > 2 ? 'tick read' : 'tick', title: words, role: 'img', 'aria-label': words },
    sign,
  )
}
