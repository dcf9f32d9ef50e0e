/** Calls a session node. Every call has a deadline; failures are AppErrors with the code that the node threw. */
import * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import { AppError } from '../runtime/app-error.js'
import type { Cursor, EventId, NodeEvent, SessionId, TenantId, WatchItem } from './contract.js'
import { eventFromProto, watchItemFromProto } from './event-mapping.js'
import type { DownloadMediaResponse } from './generated/switchboard/v1/DownloadMediaResponse.js'
import type { Event } from './generated/switchboard/v1/Event.js'
import type { FollowEventsResponse } from './generated/switchboard/v1/FollowEventsResponse.js'
import type { SessionNodeClient, SessionNodeDefinition } from './generated/switchboard/v1/SessionNode.js'
import type { UploadMediaResponse } from './generated/switchboard/v1/UploadMediaResponse.js'
import type { WatchResponse } from './generated/switchboard/v1/WatchResponse.js'
import { required } from './mapping.js'
import { REQUEST_ID_KEY, SessionNode } from './rpc.js'
import { clientCredentials, type ClusterSecurity, tokenInterceptor } from './security.js'
import { fromStatus } from './status.js'

type StreamMethod = 'Watch' | 'FollowEvents' | 'UploadMedia' | 'DownloadMedia'
// The generated definition also has an index signature, which would make every string a method.
type Methods = {
  [
    M in keyof SessionNodeDefinition as string extends M ? never : number extends M ? never : M
  ]: SessionNodeDefinition[M]
}
export type UnaryMethod = Exclude<keyof Methods, StreamMethod>
type RequestOf<M extends UnaryMethod> =
  SessionNodeDefinition[M] extends MethodDefinition<infer Req, infer _1, infer _2, infer _3> ? Req : never
type ResponseOf<M extends UnaryMethod> =
  SessionNodeDefinition[M] extends MethodDefinition<infer _1, infer _2, infer _3, infer Res> ? Res : never

const READ_MS = 5_000
const START_STOP_MS = 90_000
const MEDIA_MS = 120_000
/** Streams carry a heartbeat every 10 s; one that is silent this long is dead. */
const SILENCE_MS = 30_000

const timeouts: Record<UnaryMethod, number> = {
  GetNode: READ_MS,
  ListSessions: READ_MS,
  GetSession: READ_MS,
  UpdateSession: READ_MS,
  ConfirmMedia: READ_MS,
  ResolveMessage: READ_MS,
  CancelMessage: READ_MS,
  DriveSandbox: READ_MS,
  // Hand-over only queues; the other three wait for the page.
  SendMessages: 10_000,
  CheckNumber: 20_000,
  GetScreenshot: 20_000,
  RequestPairingCode: 45_000,
  StartSession: START_STOP_MS,
  StopSession: START_STOP_MS,
  LogoutSession: START_STOP_MS,
  DeleteSession: START_STOP_MS,
}

// Only reads are retried by the channel: repeating them is free.
const readOnly = ['GetNode', 'ListSessions', 'GetSession'] as const
const serviceConfig = JSON.stringify({
  methodConfig: [
    {
      name: readOnly.map((method) => ({ service: 'switchboard.v1.SessionNode', method })),
      retryPolicy: {
        maxAttempts: 3,
        initialBackoff: '0.1s',
        maxBackoff: '1s',
        backoffMultiplier: 3,
        retryableStatusCodes: ['UNAVAILABLE'],
      },
    },
  ],
})

export interface CallOptions {
  timeoutMs?: number
  signal?: AbortSignal
  requestId?: string
}

/** An event whose body says nothing to us, such as one of a newer node's. */
export type UnreadableEvent = Omit<NodeEvent, 'body'> & { unreadable: string }
export type FollowedEvent = NodeEvent | UnreadableEvent

export type FollowItem =
  { kind: 'started'; cursor: Cursor } | { kind: 'batch'; events: FollowedEvent[] } | { kind: 'heartbeat' }

export interface Following {
  /** First `started`, then batches as the log has them. Throws when the stream ends or is silent for 30 s. */
  items: AsyncIterable<FollowItem>
  acknowledge(position: number): void
  /** Ends the stream. */
  end(): void
}

export interface MediaInfo {
  sha256: string
  size: number
  mimetype: string
}

export interface NodeClient {
  readonly target: string
  call<M extends UnaryMethod>(method: M, request: RequestOf<M>, options?: CallOptions): Promise<ResponseOf<M>>
  /** Ends quietly when the signal fires; throws when the node goes away. */
  watch(options: { sessionIds?: SessionId[]; from?: Cursor; signal: AbortSignal }): AsyncIterable<WatchItem>
  follow(start: { cursor: Cursor; fence: number }): Following
  /** Answers whether the node had the file already. */
  uploadMedia(info: MediaInfo, chunks: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<{ existed: boolean }>
  downloadMedia(sha256: string, options?: CallOptions): Promise<{ info: MediaInfo; chunks: AsyncIterable<Buffer> }>
  close(): void
}

export function createNodeClient(target: string, security: ClusterSecurity): NodeClient {
  const client: SessionNodeClient = new SessionNode(target, clientCredentials(security), {
    interceptors: [tokenInterceptor(security)],
    'grpc.keepalive_time_ms': 20_000,
    'grpc.keepalive_timeout_ms': 10_000,
    'grpc.max_receive_message_length': 16 * 2 ** 20,
    'grpc.service_config': serviceConfig,
    // A node that comes back is noticed in a second, not after grpc-js's two minutes of back-off.
    'grpc.initial_reconnect_backoff_ms': 200,
    'grpc.max_reconnect_backoff_ms': 1_000,
    // One channel of its own: closing this client must not close another's.
    'grpc.use_local_subchannel_pool': 1,
  })

  function metadataOf({ requestId }: CallOptions): grpc.Metadata {
    const metadata = new grpc.Metadata()
    if (requestId) metadata.set(REQUEST_ID_KEY, requestId)
    return metadata
  }

  function call<M extends UnaryMethod>(
    method: M,
    request: RequestOf<M>,
    options: CallOptions = {},
  ): Promise<ResponseOf<M>> {
    const deadline = Date.now() + (options.timeoutMs ?? timeouts[method])
    // The overloads of a generated client cannot be called by a variable name; the types above say the same.
    const invoke = (client[method] as (...args: never[]) => unknown).bind(client) as unknown as (
      request: RequestOf<M>,
      metadata: grpc.Metadata,
      options: grpc.CallOptions,
      callback: grpc.requestCallback<ResponseOf<M>>,
    ) => grpc.ClientUnaryCall
    return new Promise((resolve, reject) => {
      const cancel = () => running.cancel()
      const running = invoke(request, metadataOf(options), { deadline }, (error, response) => {
        options.signal?.removeEventListener('abort', cancel)
        if (error) reject(fromStatus(error))
        else resolve(response as ResponseOf<M>)
      })
      if (options.signal?.aborted) cancel()
      options.signal?.addEventListener('abort', cancel)
    })
  }

  async function* watch({ sessionIds = [], from, signal }: Parameters<NodeClient['watch']>[0]) {
    const stream = client.Watch({ sessionIds, from: from ?? null })
    const cancel = () => stream.cancel()
    signal.addEventListener('abort', cancel)
    try {
      for await (const item of withoutSilence<WatchResponse>(stream)) yield watchItemFromProto(item)
      if (!signal.aborted) throw new AppError('unavailable', 'The session node ended the stream.')
    } catch (error) {
      if (!signal.aborted) throw fromStatus(error)
    } finally {
      signal.removeEventListener('abort', cancel)
      stream.cancel()
    }
  }

  function follow({ cursor, fence }: { cursor: Cursor; fence: number }): Following {
    const stream = client.FollowEvents()
    stream.write({ start: { cursor, fence } })
    async function* items(): AsyncGenerator<FollowItem> {
      try {
        for await (const response of withoutSilence<FollowEventsResponse>(stream)) {
          const which = required(response.item, 'item')
          if (which === 'started') yield { kind: 'started', cursor: required(response.started, which) }
          else if (which === 'batch') {
            yield { kind: 'batch', events: required(response.batch, which).events.map(followed) }
          } else {
            stream.write({ heartbeat: { atMs: Date.now() } })
            yield { kind: 'heartbeat' }
          }
        }
        throw new AppError('unavailable', 'The session node ended the stream.')
      } catch (error) {
        throw fromStatus(error)
      } finally {
        stream.cancel()
      }
    }
    return {
      items: items(),
      acknowledge: (position) => void stream.write({ acknowledgedPosition: position }),
      end: () => stream.cancel(),
    }
  }

  function uploadMedia(info: MediaInfo, chunks: AsyncIterable<Uint8Array>, options: CallOptions = {}) {
    return new Promise<{ existed: boolean }>((resolve, reject) => {
      let answered = false
      const deadline = Date.now() + (options.timeoutMs ?? MEDIA_MS)
      const stream = client.UploadMedia(
        metadataOf(options),
        { deadline },
        (error: grpc.ServiceError | null, response?: UploadMediaResponse) => {
          answered = true
          if (error) reject(fromStatus(error))
          else resolve({ existed: response?.existed ?? false })
        },
      )
      const write = async () => {
        stream.write({ info })
        for await (const chunk of chunks) {
          for (let at = 0; at < chunk.length; at += CHUNK) {
            if (answered) return
            if (!stream.write({ chunk: Buffer.from(chunk.subarray(at, at + CHUNK)) })) await drained(stream)
          }
        }
        stream.end()
      }
      write().catch((error: unknown) => {
        stream.cancel()
        reject(fromStatus(error))
      })
    })
  }

  async function downloadMedia(sha256: string, options: CallOptions = {}) {
    const deadline = Date.now() + (options.timeoutMs ?? MEDIA_MS)
    const stream = client.DownloadMedia({ sha256 }, metadataOf(options), { deadline })
    const reader = (stream as AsyncIterable<DownloadMediaResponse>)[Symbol.asyncIterator]()
    try {
      const first = await reader.next()
      const info = required(first.done ? null : first.value.info, 'info')
      async function* chunks() {
        try {
          for (let next = await reader.next(); !next.done; next = await reader.next()) {
            yield Buffer.from(required(next.value.chunk, 'chunk'))
          }
        } catch (error) {
          throw fromStatus(error)
        } finally {
          stream.cancel()
        }
      }
      return { info, chunks: chunks() }
    } catch (error) {
      stream.cancel()
      throw fromStatus(error)
    }
  }

  return { target, call, watch, follow, uploadMedia, downloadMedia, close: () => client.close() }
}

const CHUNK = 256 * 1024

/** One event that cannot be read must not hold up those behind it. */
function followed(event: Event): FollowedEvent {
  try {
    return eventFromProto(event)
  } catch (error) {
    const { eventId, sessionId, tenantId, epoch, position, atMs } = event
    return {
      id: eventId as EventId,
      sessionId: sessionId as SessionId,
      tenantId: tenantId as TenantId,
      epoch,
      position,
      at: atMs,
      unreadable: fromStatus(error).message,
    }
  }
}

function drained(stream: grpc.ClientWritableStream<never>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done)
      stream.off('error', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done).on('error', done).on('close', done)
  })
}

/** The items of a stream; cancels it and throws when nothing at all came for 30 s. */
async function* withoutSilence<Item>(
  stream: grpc.ClientReadableStream<Item> | grpc.ClientDuplexStream<never, Item>,
): AsyncGenerator<Item> {
  let silent = false
  const timer = setTimeout(() => {
    silent = true
    stream.cancel()
  }, SILENCE_MS)
  try {
    for await (const item of stream as AsyncIterable<Item>) {
      timer.refresh()
      yield item
    }
  } catch (error) {
    if (silent) throw new AppError('unavailable', 'The session node fell silent.', { cause: error })
    throw error
  } finally {
    clearTimeout(timer)
  }
}
