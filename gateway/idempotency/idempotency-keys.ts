/**
 * The same key never makes a second thing. What only writes rows stores its key with them, so that the unique key decides
 * who is first (`admit`). What calls a node or takes an upload claims its key on a lease before it begins (`claim`).
 */
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import type { Database, Tx } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import {
  checkSame,
  differs,
  type IdempotencyKey,
  inProgress,
  type KeyedRequest,
  keptUntil,
  mayHaveActed,
  type StoredAnswer,
} from './idempotency-key.js'
import type { IdempotencyKeyRepository } from './idempotency-key-repository.js'

const LEASE_MS = 60_000
const TRIES = 5

/** The right to do what a key asks for, as long as the lease is renewed. */
export interface Claim {
  request: KeyedRequest
  holder: string
  /** What an earlier holder made, who did not come to answer. */
  made?: string
  /** Its answer is stored, with what it made. */
  settled: boolean
}

/** What a key is stored with. */
export interface Outcome {
  made?: string
  answer: StoredAnswer
  keepMs?: number | undefined
}

/** A request whose rows are about to be stored. */
export interface Admission extends Outcome {
  request: KeyedRequest
  /** For a request that claimed its key first. */
  claim?: Claim | undefined
}

export interface IdempotencyKeysOptions {
  db: Database
  repository: IdempotencyKeyRepository
  clock: Clock
  log: Logger
}

export class IdempotencyKeys {
  constructor(private readonly options: IdempotencyKeysOptions) {}

  /** Null once its time is over. */
  async find(id: string): Promise<IdempotencyKey | null> {
    const key = await this.options.repository.find(id)
    return key && key.expiresAt > this.options.clock() ? key : null
  }

  /**
   * In the transaction that stores what requests make: null for each that is the first under its key, whose rows are to be
   * stored, and the earlier one for each that is not. Equal keys are joined here. Of the first ones, told by their places,
   * `refuse` may refuse some: nothing is stored of these. Throws when a claim is not held any more.
   */
  async admit(
    tx: Tx,
    requests: readonly (Admission | undefined)[],
    refuse: (first: readonly number[]) => Promise<ReadonlySet<number>>,
  ): Promise<(IdempotencyKey | null)[]> {
    const { repository, clock } = this.options
    const now = clock()
    const ids = new Set(requests.flatMap((admission) => (admission && !admission.claim ? admission.request.id : [])))
    const stored = await repository.byIds(tx, [...ids])
    const known = new Map(stored.filter(({ expiresAt }) => expiresAt > now).map((key) => [key.id, key]))
    const first: number[] = []
    const earlier = requests.map((admission, place) => {
      const unclaimed = admission && !admission.claim ? keyOf(admission, now) : undefined
      const before = unclaimed && known.get(unclaimed.id)
      if (before) return before
      first.push(place)
      if (unclaimed) known.set(unclaimed.id, unclaimed)
      return null
    })
    const refused = await refuse(first)
    await repository.dropExpired(
      tx,
      stored.flatMap(({ id, expiresAt }) => (expiresAt > now ? [] : id)),
      now,
    )
    const fresh: IdempotencyKey[] = []
    for (const place of first) {
      const admission = requests[place]
      if (!admission || refused.has(place)) continue
      const { request, claim } = admission
      if (claim) await this.settle(tx, claim, admission, request.fingerprint)
      else fresh.push(keyOf(admission, now))
    }
    await repository.add(tx, fresh)
    return earlier
  }

  /**
   * The right to go on, or the earlier request with its answer. Throws `conflict` (`idempotency_in_progress`) and
   * `unprocessable` (`idempotency_key_reused`).
   */
  async claim(request: KeyedRequest): Promise<Claim | { answered: IdempotencyKey }> {
    const { db, repository, clock } = this.options
    for (let attempt = 1; attempt <= TRIES; attempt++) {
      const now = clock()
      const lease = { holder: newId('hld'), leaseUntil: now + LEASE_MS }
      const key = await repository.find(request.id)
      if (!key || key.expiresAt <= now) {
        const fresh = { ...request, ...lease, made: null, answer: null, expiresAt: keptUntil(now) }
        const added = await db
          .write(async (tx) => {
            await repository.dropExpired(tx, [request.id], now)
            await repository.add(tx, [fresh])
          })
          .then(
            () => true,
            async (error: unknown) => {
              if (isDuplicate(error)) return false
              // The connection may have been lost in the commit: nobody else would end this lease.
              const stored = await repository.find(request.id).catch(() => null)
              return stored?.holder === lease.holder || Promise.reject(error)
            },
          )
        if (added) return { request, holder: lease.holder, settled: false }
        continue
      }
      const lapsed = key.holder !== null && (key.leaseUntil ?? 0) <= now && !differs(key, request)
      if (!lapsed) {
        checkSame(key, request)
        return { answered: key }
      }
      if (await repository.takeOver(key, { ...lease, fingerprint: request.fingerprint })) {
        this.options.log.warn({ made: key.made }, 'idempotency.taken_over')
        const { holder } = lease
        return { request, holder, settled: false, ...(key.made === null ? {} : { made: key.made }) }
      }
    }
    throw inProgress()
  }

  /**
   * Does the work of a claim. The lease is renewed meanwhile. When the work is refused, the key is free again; when it
   * failed, an equal request takes it over at once, and finds what was made, or done, already.
   */
  async hold<Result>(claim: Claim, work: () => Promise<Result>): Promise<Result> {
    const { db, repository, clock, log } = this.options
    const held = { id: claim.request.id, holder: claim.holder }
    const renewing = setInterval(() => {
      db.write((tx) => repository.change(tx, held, { leaseUntil: clock() + LEASE_MS })).catch((err: unknown) =>
        log.warn({ err }, 'idempotency.not_renewed'),
      )
    }, LEASE_MS / 3)
    try {
      return await work()
    } catch (error) {
      // Nothing is changed that was settled in a commit of which no answer came.
      const over = mayHaveActed(error)
        ? db.write((tx) => repository.change(tx, held, { leaseUntil: 0 }))
        : repository.release(held)
      await over.catch((err: unknown) => log.warn({ err }, 'idempotency.not_released'))
      throw error
    } finally {
      clearInterval(renewing)
    }
  }

  /** `note` by itself, before it is made. */
  async noteNow(claim: Claim, made: string): Promise<void> {
    await this.options.db.write((tx) => this.note(tx, claim, made))
  }

  /** In the transaction that makes it: who takes the claim over goes on with this instead of making another. */
  async note(tx: Tx, { request: { id }, holder }: Claim, made: string): Promise<void> {
    if (!(await this.options.repository.change(tx, { id, holder }, { made }))) throw inProgress()
  }

  /** Throws `conflict` when another has taken the claim over. */
  async settle(tx: Tx, claim: Claim, outcome: Outcome, fingerprint = claim.request.fingerprint): Promise<void> {
    const { repository, clock } = this.options
    const { made, answer, keepMs } = outcome
    const done = {
      ...{ fingerprint, answer, holder: null, leaseUntil: null, expiresAt: keptUntil(clock(), keepMs) },
      ...(made === undefined ? {} : { made }),
    }
    const { id } = claim.request
    if (!(await repository.change(tx, { id, holder: claim.holder }, done))) throw inProgress()
    claim.settled = true
  }

  /** `settle` by itself. What was done is done: an answer that cannot be stored is given nevertheless. */
  async settleNow(claim: Claim, outcome: Outcome): Promise<void> {
    const { db, log } = this.options
    await db
      .write((tx) => this.settle(tx, claim, outcome))
      .catch((err: unknown) => log.warn({ err }, 'idempotency.answer_not_stored'))
  }
}

function keyOf({ request, made, answer, keepMs }: Admission, now: number): IdempotencyKey {
  const same = { ...request, answer, holder: null, leaseUntil: null, expiresAt: keptUntil(now, keepMs) }
  return { ...same, made: made ?? null }
}
