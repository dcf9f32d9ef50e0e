/**
 * Between the contract's generated types and our own words (contract.ts). proto3 knows no absent text or number: an
 * empty one becomes an absent field here, and the other way round.
 */
import { AppError } from '../runtime/app-error.js'
import type {
  Content,
  Cursor,
  Engine,
  Media,
  MediaType,
  MessageId,
  MessageStatus,
  NodeId,
  NodeInfo,
  NodeSession,
  Origin,
  OutgoingMessage,
  Pacing,
  QrShown,
  SandboxOptions,
  SessionId,
  SessionStatus,
  TenantId,
} from './contract.js'
import { engines, mediaContent } from './contract.js'
import type { Content as ProtoContent, ContentInput } from './generated/switchboard/v1/Content.js'
import type { CursorInput } from './generated/switchboard/v1/Cursor.js'
import type { GetNodeResponse, GetNodeResponseInput } from './generated/switchboard/v1/GetNodeResponse.js'
import type { Media as ProtoMedia, MediaInput } from './generated/switchboard/v1/Media.js'
import type { MessageStatus as ProtoMessageStatus } from './generated/switchboard/v1/MessageStatus.js'
import type { Origin as ProtoOrigin } from './generated/switchboard/v1/Origin.js'
import type {
  OutgoingMessage as ProtoOutgoing,
  OutgoingMessageInput,
} from './generated/switchboard/v1/OutgoingMessage.js'
import type { Pacing as ProtoPacing } from './generated/switchboard/v1/Pacing.js'
import type { QrShown as ProtoQrShown, QrShownInput } from './generated/switchboard/v1/QrShown.js'
import type { SandboxOptions as ProtoSandboxOptions } from './generated/switchboard/v1/SandboxOptions.js'
import type { Session as ProtoSession, SessionInput } from './generated/switchboard/v1/Session.js'
import type { SessionStatus as ProtoSessionStatus } from './generated/switchboard/v1/SessionStatus.js'

/** Drops fields that are empty in proto's way, so that absent stays absent. */
export function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  const kept = Object.entries(fields).filter(([, value]) => value !== '' && value !== 0 && value != null)
  return Object.fromEntries(kept) as { [K in keyof T]?: NonNullable<T[K]> }
}

export function required<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined || value === '') throw new AppError('invalid', `${what} is missing`)
  return value
}

export const sessionStatusToProto = (status: SessionStatus) =>
  `SESSION_STATUS_${status.toUpperCase()}` as ProtoSessionStatus
export const sessionStatusFromProto = (status: ProtoSessionStatus) =>
  status.replace('SESSION_STATUS_', '').toLowerCase() as SessionStatus
export const messageStatusToProto = (status: MessageStatus) =>
  `MESSAGE_STATUS_${status.toUpperCase()}` as ProtoMessageStatus
export const messageStatusFromProto = (status: ProtoMessageStatus) =>
  status.replace('MESSAGE_STATUS_', '').toLowerCase() as MessageStatus
export const originToProto = (origin: Origin) => `ORIGIN_${origin.toUpperCase()}` as ProtoOrigin
export const originFromProto = (origin: ProtoOrigin) => origin.replace('ORIGIN_', '').toLowerCase() as Origin

export function engineFromProto(engine: string): Engine {
  const known = engines.find((candidate) => candidate === engine)
  if (!known) throw new AppError('invalid', `There is no engine called '${engine}'`)
  return known
}

export function pacingFromProto({ gapMs, jitterMs, messagesPerDay }: ProtoPacing): Pacing {
  return { gapMs, jitterMs, messagesPerDay }
}

export function sandboxFromProto({ phone, autoPair, ackDelayMs, reply }: ProtoSandboxOptions): SandboxOptions {
  return { ...present({ phone }), autoPair, ackDelayMs, ...(reply === 'echo' ? { reply } : {}) }
}

export function sessionToProto(session: NodeSession): SessionInput {
  const { id, status, changedAt, connectedAt, ...same } = session
  return {
    ...same,
    sessionId: id,
    status: sessionStatusToProto(status),
    changedAtMs: changedAt,
    connectedAtMs: connectedAt ?? 0,
  }
}

export function sessionFromProto(session: ProtoSession): NodeSession {
  const { reason, detail, phone, lid, pushName, webVersion } = session
  return {
    id: session.sessionId as SessionId,
    tenantId: session.tenantId as TenantId,
    name: session.name,
    engine: engineFromProto(session.engine),
    status: sessionStatusFromProto(session.status),
    ...present({ reason, detail, phone, lid, pushName, webVersion, connectedAt: session.connectedAtMs }),
    pacing: pacingFromProto(required(session.pacing, 'pacing')),
    ...(session.sandbox ? { sandbox: sandboxFromProto(session.sandbox) } : {}),
    changedAt: session.changedAtMs,
    waiting: session.waiting,
  }
}

export function mediaToProto(media: Media): MediaInput {
  return media
}

export function mediaFromProto(media: ProtoMedia): Media {
  const { sha256, mimetype, size, filename, caption, missing, seconds } = media
  return { sha256, mimetype, size, ...present({ filename, caption, missing, seconds }) }
}

export function contentToProto(content: Content): ContentInput {
  switch (content.type) {
    case 'contacts':
      return { contacts: { contacts: content.contacts } }
    default: {
      // Everywhere else the field named like the type has the same shape on both sides.
      const { type, ...field } = content
      return { ...field, content: type }
    }
  }
}

export function contentFromProto(proto: ProtoContent): Content {
  const type = required(proto.content, 'content')
  switch (type) {
    case 'text':
      return { type, text: required(proto.text, type) }
    case 'location': {
      const { latitude, longitude, name, address } = required(proto.location, type)
      return { type, location: { latitude, longitude, ...present({ name, address }) } }
    }
    case 'contacts': {
      const { contacts } = required(proto.contacts, type)
      return { type, contacts: contacts.map(({ name, phones, vcard }) => ({ name, phones, ...present({ vcard }) })) }
    }
    case 'poll':
      return { type, poll: required(proto.poll, type) }
    case 'reaction':
      return { type, reaction: required(proto.reaction, type) }
    case 'unsupported':
      return { type, unsupported: required(proto.unsupported, type) }
    default:
      return mediaContent(type satisfies MediaType, mediaFromProto(required(proto[type], type)))
  }
}

export function outgoingToProto(message: OutgoingMessage): OutgoingMessageInput {
  const { id, content, expiresInMs, origin, ...same } = message
  return { ...same, messageId: id, content: contentToProto(content), expiresInMs, origin: originToProto(origin) }
}

export function outgoingFromProto(message: ProtoOutgoing): OutgoingMessage {
  return {
    id: required(message.messageId, 'message_id') as MessageId,
    waMessageId: required(message.waMessageId, 'wa_message_id'),
    to: required(message.to, 'to'),
    content: contentFromProto(required(message.content, 'content')),
    ...present({ replyTo: message.replyTo, traceId: message.traceId }),
    mentions: message.mentions,
    expiresInMs: message.expiresInMs,
    origin: originFromProto(message.origin),
    onUnknown: message.onUnknown === 'hold' ? 'hold' : 'resend',
    ...(message.lookFirst ? { lookFirst: true } : {}),
  }
}

export function cursorToProto(cursor: Cursor): CursorInput {
  return cursor
}

export function qrToProto({ sessionId, qr, expiresAt }: QrShown): QrShownInput {
  return { sessionId, qr, expiresAtMs: expiresAt }
}

export function qrFromProto({ sessionId, qr, expiresAtMs }: ProtoQrShown): QrShown {
  return { sessionId: sessionId as SessionId, qr, expiresAt: expiresAtMs }
}

export function nodeInfoToProto(node: NodeInfo): GetNodeResponseInput {
  const { id, eventLog, ...same } = node
  return { ...same, nodeId: id, eventLogBytes: eventLog?.bytes ?? 0, eventLogMaxBytes: eventLog?.maxBytes ?? 0 }
}

export function nodeInfoFromProto(node: GetNodeResponse): NodeInfo {
  const { nodeId, epoch, version, capacity, load, draining, browserProblem } = node
  const known = node.engines.map(engineFromProto)
  return {
    id: nodeId as NodeId,
    epoch,
    version,
    capacity,
    load,
    draining,
    engines: known,
    ...(node.eventLogMaxBytes > 0 ? { eventLog: { bytes: node.eventLogBytes, maxBytes: node.eventLogMaxBytes } } : {}),
    ...present({ browserProblem }),
  }
}
