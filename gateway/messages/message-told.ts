/** What the tenant is told of messages, groups and calls: the data of events. No I/O. */
import type { EventBody, KnownPerson, MessageStatus } from '../../proto/contract.js'
import { shownChat } from '../../proto/recipient.js'
import { defined } from '../../runtime/defined.js'
import { newId } from '../../runtime/ids.js'
import type { NewEvent, Told } from '../events/event.js'
import type { Message } from './message.js'

export type Body<Kind extends EventBody['kind']> = Extract<EventBody, { kind: Kind }>

/** The event of a status that the gateway itself came to know. */
export function statusEvent(message: Message, at: number): NewEvent {
  const { tenantId, sessionId, traceId } = message
  return { id: newId('evt'), tenantId, sessionId, at, ...(traceId ? { traceId } : {}), ...statusTold(message) }
}

/** A status of a message that is kept. */
export function statusTold(message: Message): Told {
  const { id: messageId, chatId, waMessageId, toId, status, reason, error, reference } = message
  const to = toId ? shownChat(toId) : undefined
  return told(status, { messageId, chatId, waMessageId, to, status, reason, error, reference })
}

/** Of the phone's own, or of a message that is not here any more: told, but there is nothing to change. */
export function strangerTold({ chatId, waMessageId, status, reason, error }: Body<'message_status'>): Told {
  return told(status, { chatId: chatId || undefined, waMessageId: waMessageId || undefined, status, reason, error })
}

/** A message typed on the phone: its status, and all of it, because nobody knew of it. */
export function typedTold(message: Message): Told {
  const { data } = statusTold(message)
  return { type: 'message.sent', data: { ...data, message } } as Told
}

function told(status: MessageStatus, data: object): Told {
  // The type and the status in its data are the same word.
  return { type: `message.${status}`, data: defined(data) } as Told
}

export function groupTold({ change, chatId, by, byPerson, participants, people, what }: Body<'group'>): Told {
  const who = by === undefined ? undefined : (byPerson ?? { id: by })
  return {
    type: `group.${change}`,
    data: {
      chatId,
      ...(who ? defined({ by: shownPerson(who), byId: who.id, byLid: who.lid, byName: who.name }) : {}),
      participants: participants.map(shownChat),
      // An older node tells no more of them than their ids.
      people: (people.length > 0 ? people : participants.map((id): KnownPerson => ({ id }))).map(
        ({ id, phone, lid, name }) => ({ id, ...defined({ phone: phone && `+${phone}`, lid, name }) }),
      ),
      ...(what ? { what } : {}),
    },
  } as Told
}

function shownPerson({ id, phone }: KnownPerson): string {
  return phone ? `+${phone}` : shownChat(id)
}

export function callTold({ callId, video, group, ...body }: Body<'call'>): Told {
  const chatId = group ? undefined : body.fromPhone ? `${body.fromPhone}@c.us` : body.from
  return { type: 'call.received', data: { callId, ...(chatId ? { chatId } : {}), ...byWhom(body), video, group } }
}

export function byWhom({ from, fromPhone, fromLid, fromName }: Someone) {
  const shown = { from: fromPhone ? `+${fromPhone}` : shownChat(from), fromId: from }
  return { ...shown, ...(fromLid ? { fromLid } : {}), ...(fromName ? { fromName } : {}) }
}

interface Someone {
  from: string
  fromPhone?: string
  fromLid?: string
  fromName?: string
}

/** Who wrote a message that is kept. */
export function authorOf({ direction, fromId, fromPhone, fromLid, fromName }: Message) {
  const from = fromPhone ? `+${fromPhone}` : fromId && shownChat(fromId)
  return defined({ direction, from, fromLid, fromName })
}
