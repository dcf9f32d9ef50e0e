import type { Content, EventBody, NodeEvent } from '../../proto/contract.js'
import { shownChat } from '../sends/send-status.js'
import { type Html, rich, lines } from '../telegram/html.js'

type Body<Kind extends EventBody['kind']> = Extract<EventBody, { kind: Kind }>

/** Events that a watching chat hears of. */
export function isRelayed({ body }: NodeEvent): boolean {
  switch (body.kind) {
    case 'message_received':
      // What the owner types on the phone is no news; what people write is. Reactions come as events of their own.
      return body.origin === 'contact' && body.content.type !== 'reaction'
    case 'message_edited':
    case 'message_deleted':
    case 'message_reaction':
    case 'poll_vote':
    case 'call':
      return true
    case 'session_status':
    case 'message_queued':
    case 'message_status':
    case 'group':
      return false
  }
}

interface Person {
  from: string
  fromPhone?: string
  fromName?: string
}

export function whoIs({ from, fromPhone, fromName }: Person): Html {
  const number = fromPhone ? `+${fromPhone}` : shownChat(from)
  return fromName ? rich`<b>${fromName}</b> ${number}` : rich`<b>${number}</b>`
}

/** The line above a relayed message: who, in which group, to which session. */
export function headOf(body: Body<'message_received'>, sessionName: string): Html {
  const group = body.chatId.endsWith('@g.us') ? rich` in ${body.chatId}` : rich``
  return rich`${whoIs(body)}${group} → <i>${sessionName}</i>`
}

/** What a message says where Telegram has no kind of its own for it. */
export function textOf(content: Content): string {
  switch (content.type) {
    case 'text':
      return content.text.body
    case 'poll':
      return [`📊 ${content.poll.question}`, ...content.poll.options.map((option) => `▫️ ${option}`)].join('\n')
    case 'contacts':
      return content.contacts.map(({ name, phones }) => `👤 ${name}: ${phones.join(', ')}`).join('\n')
    case 'location': {
      const { latitude, longitude, name, address } = content.location
      return ['📍', name, address, `${latitude}, ${longitude}`].filter(Boolean).join(' ')
    }
    case 'unsupported':
      return `(A kind of message that cannot be shown here: ${content.unsupported.waType})`
    case 'reaction':
      return content.reaction.emoji
    case 'image':
    case 'video':
    case 'audio':
    case 'voice':
    case 'document':
    case 'sticker':
      return ''
  }
}

/** Short notes on what happened to messages; they are replies to where the message stands, if it stands here. */
export function noteOf(body: EventBody, sessionName: string): Html | null {
  switch (body.kind) {
    case 'message_edited':
      return lines(rich`✏️ Edited in <i>${sessionName}</i>:`, rich`${body.body.slice(0, 3_000)}`)
    case 'message_deleted':
      return rich`🗑 A message in <i>${sessionName}</i> was deleted by its sender.`
    case 'message_reaction':
      return body.emoji === ''
        ? rich`${whoIs(body)} took the reaction back.`
        : rich`${whoIs(body)} reacted with ${body.emoji}`
    case 'poll_vote':
      return rich`${whoIs(body)} voted: ${body.options.length > 0 ? body.options.join(', ') : '(nothing any more)'}`
    case 'call':
      return rich`📞 ${whoIs(body)} calls <i>${sessionName}</i>${body.video ? ' (video)' : ''}. Answer on the phone.`
    case 'message_received':
    case 'session_status':
    case 'message_queued':
    case 'message_status':
    case 'group':
      return null
  }
}
