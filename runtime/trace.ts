/** Which request something is done for, over all processes: the trace of W3C Trace Context. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { randomUUID } from 'node:crypto'

export interface Trace {
  /** 32 hex digits, the same in every process. */
  id: string
  /** Two hex digits, passed on as they came. */
  flags: string
  /** What the caller knows its request by, if it comes from one. */
  requestId?: string
  /** On whose behalf, where that is somebody else than who asks: `telegram:1234`. */
  actor?: string
}

const SAMPLED = '01'
const PARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(?:$|-)/

export function newTrace(): Trace {
  return { id: randomHex(), flags: SAMPLED }
}

/** 32 digits. Node makes UUIDs from random bytes that it fetches for many at once: each request needs one. */
function randomHex(): string {
  return randomUUID().replaceAll('-', '')
}

/** That of a `traceparent` header; undefined when there is none, or none that makes sense. */
export function traceOf(parent: string | undefined): Trace | undefined {
  const [, id, flags = SAMPLED] = PARENT.exec(parent?.trim() ?? '') ?? []
  return id === undefined ? undefined : { id, flags }
}

/** The `traceparent` for who is asked next. */
export function traceParent({ id, flags }: Pick<Trace, 'id'> & Partial<Trace>): string {
  return `00-${id}-${randomHex().slice(16)}-${flags ?? SAMPLED}`
}

const current = new AsyncLocalStorage<Trace | undefined>()
let underWay = 0

/**
 * Does something for a trace: calls that it makes pass it on. Following work through promises costs time in the whole
 * process, so it goes on only while something is done this way; what is quick and frequent passes its trace by hand.
 */
export async function traced<Result>(trace: Trace, work: () => Promise<Result> | Result): Promise<Result> {
  underWay += 1
  try {
    return await current.run(trace, work)
  } finally {
    underWay -= 1
    if (underWay === 0) current.disable()
  }
}

/** For what a request sets going and that goes on for all. */
export function untraced<Result>(work: () => Result): Result {
  return current.exit(work)
}

export function currentTrace(): Trace | undefined {
  return underWay === 0 ? undefined : current.getStore()
}
