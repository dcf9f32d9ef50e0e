import { decisions, type MessageId, type SessionId, type TenantId } from '../proto/contract.js'
import type { FollowEventsRequest } from '../proto/generated/switchboard/v1/FollowEventsRequest.js'
import type { FollowEventsResponseInput } from '../proto/generated/switchboard/v1/FollowEventsResponse.js'
import type { SessionNodeHandlers } from '../proto/generated/switchboard/v1/SessionNode.js'
import type { OutgoingMessage } from '../proto/generated/switchboard/v1/OutgoingMessage.js'
import type { StartSessionRequest } from '../proto/generated/switchboard/v1/StartSessionRequest.js'
import type { UploadMediaRequest } from '../proto/generated/switchboard/v1/UploadMediaRequest.js'
import { eventToProto, watchItemToProto } from '../proto/event-mapping.js'
import {
  engineFromProto,
  nodeInfoToProto,
  outgoingFromProto,
  pacingFromProto,
  present,
  required,
  sandboxFromProto,
  sessionToProto,
} from '../proto/mapping.js'
import type { NodeInfo } from '../proto/contract.js'
import type { servingUntil } from '../proto/rpc.js'
import { AppError } from '../runtime/app-error.js'
import type { EventStreams, FollowAnswer, FollowRequest } from './event-streams.js'
import type { MediaFiles } from './media/media-files.js'
import { actionFromProto } from './sandbox-actions.js'
import type { GivenMessage, HandOverResult } from './sessions/given-messages.js'
import type { SessionOrder, Sessions } from './sessions/sessions.js'
import { SandboxClient } from './whatsapp/sandbox-client.js'

export interface SessionNodeParts {
  sessions: Sessions
  streams: EventStreams
  media: MediaFiles
  info: () => NodeInfo
}

/** The gRPC handlers. What they ask for is done elsewhere. */
export function sessionNodeService(
  { sessions, streams, media, info }: SessionNodeParts,
  { unary, serverStream, clientStream, bidi }: ReturnType<typeof servingUntil>,
): SessionNodeHandlers {
  const shown = (id: string) => ({ session: sessionToProto(sessions.get(sessionId(id)).view()) })
  return {
    GetNode: unary(async () => nodeInfoToProto(info())),
    ListSessions: unary(async () => ({ sessions: sessions.list().map((session) => sessionToProto(session.view())) })),
    GetSession: unary(async (request) => shown(request.sessionId)),

    StartSession: unary(async (request) => ({
      session: sessionToProto(await sessions.startSession(orderOf(request), { restart: request.restart })),
    })),
    StopSession: unary(async (request) => {
      await sessions
        .get(sessionId(request.sessionId))
        .stop(request.placedElsewhere ? 'placed_elsewhere' : 'stopped_by_request')
      return shown(request.sessionId)
    }),
    LogoutSession: unary(async (request) => {
      await sessions.get(sessionId(request.sessionId)).logout()
      return shown(request.sessionId)
    }),
    DeleteSession: unary(async (request) => {
      await sessions.deleteSession(sessionId(request.sessionId))
      return {}
    }),
    UpdateSession: unary(async (request) => {
      const pacing = pacingFromProto(required(request.pacing, 'pacing'))
      await sessions.get(sessionId(request.sessionId)).update({ pacing })
      return shown(request.sessionId)
    }),
    RequestPairingCode: unary(async (request) => ({
      code: await sessions.pairingCode(sessionId(request.sessionId), required(request.phone, 'phone')),
    })),
    GetScreenshot: unary(async (request) => ({
      png: await sessions.get(sessionId(request.sessionId)).runningClient().screenshot(),
    })),

    SendMessages: unary(async ({ sessionId: all, messages }) => {
      const given = messages.map((message) => readMessage(message, all || message.sessionId))
      const readable = given.flatMap((each) => ('error' in each ? [] : each))
      const taken = all
        ? await sessions.handOver(
            sessionId(all),
            readable.map(({ message }) => message),
          )
        : await sessions.handOverAll(readable)
      const results = [...taken, ...given.flatMap((each) => ('error' in each ? each : []))]
      return {
        results: results.map(({ messageId, error }) => ({
          messageId,
          errorCode: error?.code ?? '',
          error: error?.message ?? '',
        })),
      }
    }),
    CancelMessage: unary(async (request) => ({
      cancelled: await sessions.cancel(required(request.messageId, 'message_id') as MessageId),
    })),
    ResolveMessage: unary(async (request) => {
      const decision = decisions.find((known) => known === request.decision)
      const messageId = required(request.messageId, 'message_id') as MessageId
      await sessions.resolve(sessionId(request.sessionId), messageId, required(decision, 'decision'))
      return {}
    }),
    CheckNumber: unary(async (request) => {
      const client = sessions.get(sessionId(request.sessionId)).connectedClient()
      const chatId = await client.checkNumber(required(request.phone, 'phone'))
      return { onWhatsapp: chatId !== undefined, chatId: chatId ?? '' }
    }),

    Watch: serverStream(async function* ({ sessionIds, from }, { signal }) {
      const request = { sessionIds: sessionIds as SessionId[], ...(from ? { from } : {}) }
      for await (const item of streams.watch(request, signal)) yield watchItemToProto(item)
    }),
    FollowEvents: bidi(async function* (requests, { signal }) {
      for await (const answer of streams.follow(followRequests(requests), signal)) yield followAnswer(answer)
    }),

    UploadMedia: clientStream(async (requests) => {
      const reader = requests[Symbol.asyncIterator]()
      const first = await reader.next()
      const announced = required(first.done ? null : first.value.info, 'info')
      return media.upload(announced, chunksOf(reader))
    }),
    DownloadMedia: serverStream(async function* ({ sha256 }) {
      const { info: described, chunks } = await media.open(required(sha256, 'sha256'))
      yield { info: described }
      for await (const chunk of chunks) yield { chunk }
    }),
    ConfirmMedia: unary(async ({ sha256 }) => {
      await media.confirm(sha256)
      return {}
    }),

    DriveSandbox: unary(async (request) => {
      const client = sessions.get(sessionId(request.sessionId)).runningClient()
      if (!(client instanceof SandboxClient)) {
        throw new AppError('not_supported', 'Only sessions of the sandbox engine can be driven.')
      }
      return { waMessageId: (await client.drive(actionFromProto(request))) ?? '' }
    }),
  }
}

/** One that cannot be read is refused by itself: those beside it need not wait for it. */
function readMessage(message: OutgoingMessage, id: string): GivenMessage | Required<HandOverResult> {
  try {
    return { sessionId: sessionId(id), message: outgoingFromProto(message) }
  } catch (error) {
    const invalid = error instanceof AppError ? error : new AppError('invalid', 'It cannot be read.', { cause: error })
    return { messageId: message.messageId, error: invalid }
  }
}

/** Ids of sessions name directories. */
function sessionId(id: string): SessionId {
  if (/^ses_[0-9a-z_-]{1,40}$/.test(id)) return id as SessionId
  throw new AppError('invalid', 'That is not the id of a session.')
}

function orderOf(request: StartSessionRequest): SessionOrder {
  return {
    id: sessionId(request.sessionId),
    tenantId: required(request.tenantId, 'tenant_id') as TenantId,
    name: required(request.name, 'name'),
    engine: engineFromProto(request.engine),
    pacing: pacingFromProto(request.pacing ?? { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }),
    ...present({ sandbox: request.sandbox && sandboxFromProto(request.sandbox) }),
  }
}

async function* followRequests(requests: AsyncIterable<FollowEventsRequest>): AsyncGenerator<FollowRequest> {
  for await (const request of requests) {
    switch (required(request.item, 'item')) {
      case 'start': {
        const { cursor, fence } = required(request.start, 'start')
        yield { kind: 'start', cursor: cursor ?? { epoch: '', position: 0 }, fence }
        break
      }
      case 'acknowledgedPosition':
        yield { kind: 'acknowledged', position: required(request.acknowledgedPosition, 'acknowledged_position') }
        break
      case 'permit': {
        const { asked, forMs, exceptSessionIds } = required(request.permit, 'permit')
        yield { kind: 'permit', permit: { asked, forMs, except: exceptSessionIds as SessionId[] } }
        break
      }
      case 'heartbeat':
        yield { kind: 'heartbeat' }
    }
  }
}

function followAnswer(answer: FollowAnswer): FollowEventsResponseInput {
  switch (answer.kind) {
    case 'started':
      return { started: answer.cursor }
    case 'batch':
      return { batch: { events: answer.events.map(eventToProto) } }
    case 'question':
      return { question: { asked: answer.asked } }
    case 'heartbeat':
      return { heartbeat: { atMs: answer.at } }
  }
}

async function* chunksOf(reader: AsyncIterator<UploadMediaRequest>): AsyncGenerator<Uint8Array> {
  for (let next = await reader.next(); !next.done; next = await reader.next()) {
    yield required(next.value.chunk, 'chunk')
  }
}
