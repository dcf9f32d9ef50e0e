/** The two streams of a session node: watching it live, and following its event log. */
import type * as grpc from '@grpc/grpc-js'
import { AppError } from '../runtime/app-error.js'
import type { Cursor, EventId, NodeEvent, SessionId, TenantId, WatchItem } from './contract.js'
import { eventFromProto, watchItemFromProto } from './event-mapping.js'
import type { Event } from './generated/switchboard/v1/Event.js'
import type { FollowEventsResponse } from './generated/switchboard/v1/FollowEventsResponse.js'
import type { SessionNodeClient } from './generated/switchboard/v1/SessionNode.js'
import type { WatchResponse } from './generated/switchboard/v1/WatchResponse.js'
import { required } from './mapping.js'
import { fromStatus } from './status.js'

/** Streams carry a heartbeat every 10 s; one that is silent this long is dead. */
const SILENCE_MS = 30_000

/** An event whose body says nothing to us, such as one of a newer node's. */
export type UnreadableEvent = Omit<NodeEvent, 'body'> & { unreadable: string }
export type FollowedEvent = NodeEvent | UnreadableEvent

export type FollowItem =
  | { kind: 'started'; cursor: Cursor }
  | { kind: 'batch'; events: FollowedEvent[] }
  | { kind: 'question'; asked: number }
  | { kind: 'heartbeat' }

/** What a node is told that asks whether it may send. */
export interface SendingPermit {
  /** Of the question. */
  asked: number
  /** From the question on. */
  forMs: number
  /** Sessions of which it sends nothing. */
  except: readonly SessionId[]
}

export interface WatchOptions {
  sessionIds?: SessionId[]
  from?: Cursor
  signal: AbortSignal
}

export interface Following {
  /** First `started`, then batches as the log has them. Throws when the stream ends or is silent for 30 s. */
  items: AsyncIterable<FollowItem>
  acknowledge(position: number): void
  /** Answers a question. */
  permit(permit: SendingPermit): void
  /** Ends the stream. */
  end(): void
}

export async function* watch(
  client: SessionNodeClient,
  { sessionIds = [], from, signal }: WatchOptions,
): AsyncGenerator<WatchItem> {
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

export function follow(client: SessionNodeClient, { cursor, fence }: { cursor: Cursor; fence: number }): Following {
  const stream = client.FollowEvents()
  stream.write({ start: { cursor, fence } })
  async function* items(): AsyncGenerator<FollowItem> {
    try {
      for await (const response of withoutSilence<FollowEventsResponse>(stream)) {
        const which = required(response.item, 'item')
        if (which === 'started') yield { kind: 'started', cursor: required(response.started, which) }
        else if (which === 'batch') {
          yield { kind: 'batch', events: required(response.batch, which).events.map(followed) }
        } else if (which === 'question') {
          yield { kind: 'question', asked: required(response.question, which).asked }
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
    permit: ({ asked, forMs, except }) =>
      void stream.write({ permit: { asked, forMs, exceptSessionIds: [...except] } }),
    end: () => stream.cancel(),
  }
}

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
