/** Events and the items of a watch, between the contract's generated types and our own words. */
import type {
  EventBody,
  EventId,
  KnownPerson,
  MessageId,
  NodeEvent,
  SessionId,
  TenantId,
  WatchItem,
} from './contract.js'
import type { Event as ProtoEvent, EventInput } from './generated/switchboard/v1/Event.js'
import type { Person as ProtoPerson } from './generated/switchboard/v1/Person.js'
import type { WatchResponse, WatchResponseInput } from './generated/switchboard/v1/WatchResponse.js'
import {
  contentFromProto,
  contentToProto,
  messageStatusFromProto,
  messageStatusToProto,
  originFromProto,
  originToProto,
  outgoingFromProto,
  outgoingToProto,
  present,
  qrFromProto,
  qrToProto,
  required,
  sessionFromProto,
  sessionToProto,
} from './mapping.js'

function bodyToProto(body: EventBody): Partial<EventInput> {
  switch (body.kind) {
    case 'session_status':
      return { sessionStatus: { session: sessionToProto(body.session) } }
    case 'message_queued':
      return { messageQueued: { message: outgoingToProto(body.message) } }
    case 'message_status':
      return { messageStatus: { ...body, status: messageStatusToProto(body.status) } }
    case 'message_received': {
      const { sentAt, origin, content, ...same } = body
      return {
        messageReceived: {
          ...same,
          sentAtMs: sentAt,
          origin: originToProto(origin),
          content: contentToProto(content),
        },
      }
    }
    case 'message_edited':
      return { messageEdited: body }
    case 'message_deleted':
      return { messageDeleted: body }
    case 'message_reaction':
      return { messageReaction: body }
    case 'poll_vote':
      return { pollVote: body }
    case 'group': {
      const { kind: _, change, ...same } = body
      return { group: { ...same, kind: change } }
    }
    case 'call':
      return { call: body }
  }
}

export function eventToProto({ id, at, body, ...same }: NodeEvent): EventInput {
  return { ...same, eventId: id, atMs: at, ...bodyToProto(body) }
}

function bodyFromProto(event: ProtoEvent): EventBody {
  const which = required(event.body, 'event body')
  switch (which) {
    case 'sessionStatus': {
      const { session } = required(event.sessionStatus, which)
      return { kind: 'session_status', session: sessionFromProto(required(session, 'session')) }
    }
    case 'messageQueued': {
      const { message } = required(event.messageQueued, which)
      return { kind: 'message_queued', message: outgoingFromProto(required(message, 'message')) }
    }
    case 'messageStatus': {
      const { messageId, waMessageId, chatId, status, reason, error } = required(event.messageStatus, which)
      return {
        kind: 'message_status',
        ...present({ messageId: messageId as MessageId }),
        waMessageId,
        chatId,
        status: messageStatusFromProto(status),
        ...present({ reason, error }),
      }
    }
    case 'messageReceived': {
      const received = required(event.messageReceived, which)
      const { waMessageId, chatId, from, to, fromPhone, fromLid, fromName, replyTo, mentions, sentAtMs } = received
      return {
        kind: 'message_received',
        waMessageId,
        chatId,
        from,
        to,
        ...present({ fromPhone, fromLid, fromName, replyTo }),
        origin: originFromProto(received.origin) === 'phone' ? 'phone' : 'contact',
        content: contentFromProto(required(received.content, 'content')),
        mentions,
        sentAt: sentAtMs,
      }
    }
    case 'messageEdited': {
      const { waMessageId, chatId, body } = required(event.messageEdited, which)
      return { kind: 'message_edited', waMessageId, chatId, body }
    }
    case 'messageDeleted': {
      const { waMessageId, chatId } = required(event.messageDeleted, which)
      return { kind: 'message_deleted', waMessageId, chatId }
    }
    case 'messageReaction': {
      const { waMessageId, chatId, from, emoji, ...who } = required(event.messageReaction, which)
      return { kind: 'message_reaction', waMessageId, chatId, from, ...nameOf(who), emoji }
    }
    case 'pollVote': {
      const { waMessageId, chatId, from, options, ...who } = required(event.pollVote, which)
      return { kind: 'poll_vote', waMessageId, chatId, from, ...nameOf(who), options }
    }
    case 'group': {
      const { kind, chatId, by, byPerson, participants, people, what } = required(event.group, which)
      const change = kind === 'joined' || kind === 'left' ? kind : 'updated'
      return {
        ...{
          kind: 'group',
          change,
          chatId,
          ...present({ by, what }),
          participants,
          people: people.map(personFromProto),
        },
        ...(byPerson ? { byPerson: personFromProto(byPerson) } : {}),
      }
    }
    case 'call': {
      const { callId, from, video, group, ...who } = required(event.call, which)
      return { kind: 'call', callId, from, ...nameOf(who), video, group }
    }
  }
}

function nameOf({ fromPhone, fromLid, fromName }: { fromPhone: string; fromLid: string; fromName: string }) {
  return present({ fromPhone, fromLid, fromName })
}

function personFromProto({ id, phone, lid, name }: ProtoPerson): KnownPerson {
  return { id, ...present({ phone, lid, name }) }
}

export function eventFromProto(event: ProtoEvent): NodeEvent {
  return {
    id: event.eventId as EventId,
    sessionId: event.sessionId as SessionId,
    tenantId: event.tenantId as TenantId,
    epoch: event.epoch,
    position: event.position,
    at: event.atMs,
    body: bodyFromProto(event),
  }
}

export function watchItemToProto(item: WatchItem): WatchResponseInput {
  switch (item.kind) {
    case 'snapshot':
      return {
        snapshot: { sessions: item.sessions.map(sessionToProto), qrs: item.qrs.map(qrToProto), cursor: item.cursor },
      }
    case 'event':
      return { event: eventToProto(item.event) }
    case 'qr':
      return { qr: qrToProto(item.qr) }
    case 'heartbeat':
      return { heartbeat: { atMs: item.at } }
  }
}

export function watchItemFromProto(proto: WatchResponse): WatchItem {
  const which = required(proto.item, 'watch item')
  switch (which) {
    case 'snapshot': {
      const { sessions, qrs, cursor } = required(proto.snapshot, which)
      return {
        kind: 'snapshot',
        sessions: sessions.map(sessionFromProto),
        qrs: qrs.map(qrFromProto),
        cursor: required(cursor, 'cursor'),
      }
    }
    case 'event':
      return { kind: 'event', event: eventFromProto(required(proto.event, which)) }
    case 'qr':
      return { kind: 'qr', qr: qrFromProto(required(proto.qr, which)) }
    case 'heartbeat':
      return { kind: 'heartbeat', at: required(proto.heartbeat, which).atMs }
  }
}
