/** Loads the contract, and serves its methods as async functions and generators. Calling is in node-client.ts. */
import { type EventEmitter, once } from 'node:events'
import { existsSync } from 'node:fs'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import * as grpc from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'
import type { ProtoGrpcType } from './generated/session_node.js'
import { toStatus } from './status.js'

// These options must equal the flags of `npm run gen`, or the generated types lie.
const options = { longs: Number, enums: String, defaults: true, oneofs: true }

const file = fileURLToPath(new URL('./session_node.proto', import.meta.url))
if (!existsSync(file)) throw new Error(`The contract is missing: ${file}`)
const loaded = grpc.loadPackageDefinition(loadSync(file, options)) as unknown as ProtoGrpcType

export const SessionNode = loaded.switchboard.v1.SessionNode
export const serviceName = 'switchboard.v1.SessionNode'

/** What a handler knows of its call. */
export interface CallContext {
  /** Fires when the caller hangs up, its deadline passes, or the server stops. */
  signal: AbortSignal
}

/** What all four kinds of call have in common. */
type Call = Pick<EventEmitter, 'on'>

function contextOf(call: Call, stopping: AbortSignal): CallContext {
  const cancelled = new AbortController()
  call.on('cancelled', () => cancelled.abort())
  return { signal: AbortSignal.any([cancelled.signal, stopping]) }
}

/** Handlers made with one of these end when `stopping` fires: long streams would keep a server from shutting down. */
export function servingUntil(stopping: AbortSignal) {
  function unary<Req, Res>(
    method: (request: Req, context: CallContext) => Promise<Res>,
  ): grpc.handleUnaryCall<Req, Res> {
    return (call, callback) => {
      method(call.request, contextOf(call, stopping)).then(
        (response) => callback(null, response),
        (thrown: unknown) => callback(toStatus(thrown)),
      )
    }
  }

  /** At the reader's pace: the generator is not asked for more while the reader is slow. */
  function serverStream<Req, Res>(
    method: (request: Req, context: CallContext) => AsyncIterable<Res>,
  ): grpc.handleServerStreamingCall<Req, Res> {
    return (call) => {
      const context = contextOf(call, stopping)
      void writeAll(call, () => method(call.request, context), context.signal)
    }
  }

  function clientStream<Req, Res>(
    method: (requests: AsyncIterable<Req>, context: CallContext) => Promise<Res>,
  ): grpc.handleClientStreamingCall<Req, Res> {
    return (call, callback) => {
      method(call as AsyncIterable<Req>, contextOf(call, stopping)).then(
        (response) => callback(null, response),
        (thrown: unknown) => callback(toStatus(thrown)),
      )
    }
  }

  function bidi<Req, Res>(
    method: (requests: AsyncIterable<Req>, context: CallContext) => AsyncIterable<Res>,
  ): grpc.handleBidiStreamingCall<Req, Res> {
    return (call) => {
      const context = contextOf(call, stopping)
      void writeAll(call, () => method(requestsOf<Req>(call), context), context.signal)
    }
  }

  return { unary, serverStream, clientStream, bidi }
}

async function writeAll<Res>(
  call: EventEmitter & { write(response: Res): boolean; end(): void },
  responses: () => AsyncIterable<Res>,
  signal: AbortSignal,
): Promise<void> {
  try {
    for await (const response of responses()) {
      if (signal.aborted) break
      if (!call.write(response)) await once(call, 'drain', { signal })
    }
    call.end()
  } catch (thrown) {
    if (signal.aborted) call.end()
    else call.emit('error', toStatus(thrown))
  }
}

/** So many requests may wait for the method; then the caller waits. */
const MOST_WAITING = 16

/**
 * What the caller of a two-way stream sends, until it ends or hangs up. Not the stream's own iterator: that one destroys
 * the stream when the method fails, and where a response is still on its way, the status would never be sent.
 */
async function* requestsOf<Req>(call: Readable): AsyncGenerator<Req> {
  const waiting: Req[] = []
  let over = false
  let wake = () => {}
  const end = () => {
    over = true
    wake()
  }
  call.on('data', (request: Req) => {
    waiting.push(request)
    if (waiting.length >= MOST_WAITING) call.pause()
    wake()
  })
  for (const event of ['end', 'error', 'cancelled', 'close']) call.on(event, end)
  for (;;) {
    for (let request = waiting.shift(); request !== undefined; request = waiting.shift()) {
      if (call.isPaused()) call.resume()
      yield request
    }
    if (over) return
    await new Promise<void>((resolve) => {
      wake = resolve
      if (over || waiting.length > 0) resolve()
    })
  }
}
