/** Calls a session node. Every call has a deadline; failures are AppErrors with the code that the node threw. */
import * as grpc from '@grpc/grpc-js'
import type { MethodDefinition } from '@grpc/proto-loader'
import type { Cursor, WatchItem } from './contract.js'
import type { SessionNodeClient, SessionNodeDefinition } from './generated/switchboard/v1/SessionNode.js'
import { downloadMedia, type MediaInfo, uploadMedia } from './node-media.js'
import { follow, type Following, watch, type WatchOptions } from './node-streams.js'
import { SessionNode } from './rpc.js'
import { clientCredentials, type ClusterSecurity, tokenInterceptor } from './security.js'
import { fromStatus } from './status.js'
import { traceInterceptor } from './tracing.js'

export type { MediaInfo } from './node-media.js'
export type { FollowedEvent, Following, FollowItem, SendingPermit, UnreadableEvent } from './node-streams.js'

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
}

export interface NodeClient {
  readonly target: string
  call<M extends UnaryMethod>(method: M, request: RequestOf<M>, options?: CallOptions): Promise<ResponseOf<M>>
  /** Ends quietly when the signal fires; throws when the node goes away. */
  watch(options: WatchOptions): AsyncIterable<WatchItem>
  follow(start: { cursor: Cursor; fence: number }): Following
  /** Answers whether the node had the file already. */
  uploadMedia(info: MediaInfo, chunks: AsyncIterable<Uint8Array>, options?: CallOptions): Promise<{ existed: boolean }>
  downloadMedia(sha256: string, options?: CallOptions): Promise<{ info: MediaInfo; chunks: AsyncIterable<Buffer> }>
  close(): void
}

export function createNodeClient(target: string, security: ClusterSecurity): NodeClient {
  const client: SessionNodeClient = new SessionNode(target, clientCredentials(security), {
    interceptors: [traceInterceptor, tokenInterceptor(security)],
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
      const running = invoke(request, new grpc.Metadata(), { deadline }, (error, response) => {
        options.signal?.removeEventListener('abort', cancel)
        if (error) reject(fromStatus(error))
        else resolve(response as ResponseOf<M>)
      })
      if (options.signal?.aborted) cancel()
      options.signal?.addEventListener('abort', cancel)
    })
  }

  const media = (options: CallOptions = {}) => ({ metadata: new grpc.Metadata(), timeoutMs: options.timeoutMs })
  return {
    target,
    call,
    watch: (options) => watch(client, options),
    follow: (start) => follow(client, start),
    uploadMedia: (info, chunks, options) => uploadMedia(client, info, chunks, media(options)),
    downloadMedia: (sha256, options) => downloadMedia(client, sha256, media(options)),
    close: () => client.close(),
  }
}
