import { randomBytes } from 'node:crypto'
import { setMaxListeners } from 'node:events'
import type { Rest } from '../rest.js'
import { sleep } from '../../runtime/clock.js'

export interface Load {
  session: string
  count: number
  /** Requests under way at once. */
  concurrency?: number
  /** Requests begun per second; as fast as the answers come unless given. */
  perSecond?: number
  /** The gateway that is asked next. */
  rest: () => Rest
  /** Each message has an Idempotency-Key. */
  keys?: boolean
  signal?: AbortSignal
}

/** What clients asked for and were told: the other side of every promise. */
export class Ledger {
  /** In each message's text: must be in no log. */
  readonly canary = `canary${randomBytes(8).toString('hex')}`
  /** Digits: only in lines of level debug. */
  readonly phones = new Set<string>()
  /** QR codes and the like: in no log either. */
  readonly secrets = new Set<string>()
  /** Ids that were answered with 202 or 200, and the session each is of. */
  readonly accepted = new Map<string, string>()
  /** Idempotency-Key: the ids that were answered for it. */
  readonly byKey = new Map<string, Set<string>>()
  readonly answers = new Map<number, number>()
  /** The connection broke before the answer. */
  unanswered = 0
  readonly refusals: { status: number; retryAfter: string | null; code: string; ms: number }[] = []
  private sent = 0
  private keys = 0

  message(to = '+4915112345678') {
    this.phones.add(to.slice(1))
    this.sent += 1
    return { to, type: 'text', text: { body: `${this.canary} ${this.sent}` } }
  }

  /** One request; its id when it was accepted. */
  async send(rest: Rest, session: string, message = this.message(), headers: Record<string, string> = {}) {
    const began = performance.now()
    const answer = await rest.post(`/sessions/${session}/messages`, message, headers).catch(() => undefined)
    if (!answer) {
      this.unanswered += 1
      return undefined
    }
    const { status, body } = answer
    this.answers.set(status, (this.answers.get(status) ?? 0) + 1)
    if (status !== 202 && status !== 200) {
      const retryAfter = answer.headers.get('retry-after')
      this.refusals.push({ status, retryAfter, code: String(body.code), ms: performance.now() - began })
      return undefined
    }
    const id = String(body.id)
    this.accepted.set(id, session)
    const key = headers['idempotency-key']
    if (key !== undefined) this.byKey.set(key, (this.byKey.get(key) ?? new Set()).add(id))
    return id
  }

  /** Until so many more are accepted. What is refused or gets no answer is tried again: as a new message, or by `key`. */
  async load({ session, count, concurrency = 10, perSecond, rest, keys, signal }: Load): Promise<void> {
    // Each worker waits with it.
    if (signal) setMaxListeners(0, signal)
    const began = performance.now()
    let next = 0
    const worker = async () => {
      while (next < count && !signal?.aborted) {
        const number = next++
        if (perSecond) await sleep(began + (number * 1_000) / perSecond - performance.now(), signal)
        const headers = keys ? { 'idempotency-key': `${session}-${this.canary}-${++this.keys}` } : {}
        let message = this.message()
        while (!(await this.send(rest(), session, message, headers)) && !signal?.aborted) {
          if (!keys) message = this.message()
          await sleep(50 + 100 * Math.random(), signal)
        }
      }
    }
    await Promise.all(Array.from({ length: concurrency }, worker))
  }
}
