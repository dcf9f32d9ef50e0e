/** Removes what is older than it is to be kept: in small batches, with rests between them, on one gateway at a time. */
import { type Clock, sleep } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Counter, Metrics } from '../../runtime/metrics.js'
import type { RetentionTurn } from './retention-turn.js'

export const kinds = ['events', 'messages', 'media', 'files', 'audit', 'usage'] as const
export type Kind = (typeof kinds)[number]
/** How many of each kind, and how much of them files were. */
export type Removed = Record<Kind | 'bytes', number>

/** How long what is over is kept, in ms. */
export interface RetentionConfig {
  events: number
  messages: number
  media: number
  audit: number
  usage: number
}

const DAY_MS = 86_400_000
export const defaultRetention: RetentionConfig = {
  events: 30 * DAY_MS,
  messages: 365 * DAY_MS,
  media: 30 * DAY_MS,
  audit: 365 * DAY_MS,
  usage: 1_095 * DAY_MS,
}

/** A file of which no row tells is one that a crash, or a request that was refused, left behind. */
const FILES_MS = DAY_MS
/** The first round comes when the process has settled. */
const FIRST_MS = 60_000
const EVERY_MS = 3_600_000
const LEAST_REST_MS = 20

export interface Trimmed {
  count: number
  /** Of files. */
  bytes?: number
}

/** Removes what is older than a time, batch by batch; tells what went with each. */
export interface Trimming {
  trim(before: number): AsyncIterable<Trimmed>
}

export interface RetentionOptions {
  keep?: Partial<RetentionConfig> | undefined
  trimmings: Record<Kind, Trimming>
  turn: Pick<RetentionTurn, 'take' | 'keep' | 'leave'>
  metrics: Metrics
  clock: Clock
  log: Logger
}

export class Retention implements Service {
  private readonly counter: Counter<'kind'>
  private readonly bytes: Counter<'kind'>
  private stopping = new AbortController()
  private loop: Promise<void> = Promise.resolve()

  constructor(private readonly options: RetentionOptions) {
    this.counter = options.metrics.counter({
      name: 'switchboard_retention_removed_total',
      help: 'What this gateway removed because it was older than RETENTION_* says; files: left behind without a row.',
      labels: ['kind'],
    })
    this.bytes = options.metrics.counter({
      name: 'switchboard_retention_removed_bytes_total',
      help: 'How much of what this gateway removed were files.',
      labels: ['kind'],
    })
    for (const kind of kinds) this.counter.inc({ kind }, 0)
    for (const kind of ['media', 'files']) this.bytes.inc({ kind }, 0)
  }

  start(): Promise<void> {
    this.stopping = new AbortController()
    this.loop = this.run(this.stopping.signal)
    return Promise.resolve()
  }

  async stop(): Promise<void> {
    this.stopping.abort()
    await this.loop
  }

  /** One round. Answers what it removed; undefined when it is another gateway's turn. */
  async trimOnce(now: number): Promise<Removed | undefined> {
    const { turn, log } = this.options
    if (!(await turn.take())) return undefined
    const removed: Removed = { events: 0, messages: 0, media: 0, files: 0, audit: 0, usage: 0, bytes: 0 }
    const began = performance.now()
    let whole = true
    for (const kind of kinds) whole &&= await this.trimKind(kind, now, removed)
    await turn.leave(whole ? EVERY_MS / 2 : 0)
    if (Object.values(removed).some((count) => count > 0)) {
      log.info({ ...removed, tookMs: Math.round(performance.now() - began) }, 'retention.trimmed')
    }
    return removed
  }

  /** False when it has to stop before the end. */
  private async trimKind(kind: Kind, now: number, removed: Removed): Promise<boolean> {
    const { trimmings, turn } = this.options
    const keep = { ...defaultRetention, ...this.options.keep, files: FILES_MS }
    let began = performance.now()
    for await (const { count, bytes } of trimmings[kind].trim(now - keep[kind])) {
      removed[kind] += count
      this.counter.inc({ kind }, count)
      if (bytes !== undefined) {
        removed.bytes += bytes
        this.bytes.inc({ kind }, bytes)
      }
      // As long as the batch took, so that it is never more than half of what the database does.
      await sleep(Math.max(LEAST_REST_MS, performance.now() - began), this.stopping.signal)
      if (this.stopping.signal.aborted || !(await turn.keep())) return false
      began = performance.now()
    }
    return true
  }

  private async run(signal: AbortSignal): Promise<void> {
    await sleep(FIRST_MS * (1 + Math.random()), signal)
    while (!signal.aborted) {
      await this.trimOnce(this.options.clock()).catch((err: unknown) =>
        this.options.log.warn({ err }, 'retention.not_trimmed'),
      )
      await sleep(EVERY_MS, signal)
    }
  }
}
