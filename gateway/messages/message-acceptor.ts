/** Stores accepted messages, those of many requests together, each with the key it was asked under. */
import type { MessageId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { Coalescer } from '../db/coalescer.js'
import type { Database, Tx } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import type { IdempotencyKey } from '../idempotency/idempotency-key.js'
import type { Admission, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { Counted, Quotas, Taken } from '../limits/quotas.js'
import type { Message } from './message.js'
import type { MessageRepository } from './message-repository.js'

interface Accepted extends Counted {
  message: Message
  admission?: Admission
}

export interface MessageAcceptorOptions {
  db: Database
  repository: MessageRepository
  keys: IdempotencyKeys
  quotas: Pick<Quotas, 'limitOf' | 'isUsedUp' | 'take' | 'tell' | 'refusal'>
}

const TRIES = 3

export class MessageAcceptor {
  private readonly coalescer: Coalescer<Accepted, IdempotencyKey | 'refused' | null>

  constructor(private readonly options: MessageAcceptorOptions) {
    this.coalescer = new Coalescer({ db: options.db, store: (tx, accepted) => this.store(tx, accepted) })
  }

  /** Resolves once nothing waits to be stored. */
  idle(): Promise<void> {
    return this.coalescer.idle()
  }

  /** Throws `rate_limited` (`quota_exceeded`). */
  async add(message: Message): Promise<void> {
    await this.accept(message)
  }

  /**
   * Null when the message is stored; the earlier request when there was one under this key, and nothing is stored. Throws
   * `rate_limited` (`quota_exceeded`).
   */
  async addOnce(message: Message, admission: Admission): Promise<IdempotencyKey | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.accept(message, admission)
      } catch (error) {
        const quicker = isDuplicate(error)
        if (!quicker && !isUncertain(error)) throw error
        // Another gateway was first, or the connection was lost in the commit: the key tells, unless it cannot be read.
        const stored = await this.options.keys.find(admission.request.id).catch(() => null)
        if (stored?.made === message.id) return null
        if (stored) return stored
        if (!quicker || attempt === TRIES) throw error
      }
    }
  }

  private async accept(message: Message, admission?: Admission): Promise<IdempotencyKey | null> {
    const { keys, quotas } = this.options
    const { tenantId } = message
    const limit = await quotas.limitOf(tenantId)
    if (quotas.isUsedUp({ tenantId, limit })) {
      const earlier = admission && !admission.claim ? await keys.find(admission.request.id) : null
      if (earlier) return earlier
      throw quotas.refusal(limit)
    }
    const result = await this.coalescer.add({ message, tenantId, limit, ...(admission ? { admission } : {}) })
    if (result === 'refused') throw quotas.refusal(limit)
    return result
  }

  /** What exceeds a quota is refused in the middle of its batch: those of other requests do not suffer. */
  private async store(tx: Tx, accepted: Accepted[]): Promise<(IdempotencyKey | 'refused' | null)[]> {
    const { repository, quotas } = this.options
    let taken: Taken<Accepted> | undefined
    const earlier = await this.admit(tx, accepted, async (first) => {
      taken = await quotas.take(tx, first)
      return taken.refused
    })
    const refused = taken?.refused ?? new Set()
    const unstored = new Set([...refused].map(({ message }) => message.id))
    await repository.add(
      tx,
      accepted.flatMap((one, place) => (earlier[place] || refused.has(one) ? [] : one.message)),
    )
    if (taken) await quotas.tell(tx, taken)
    return accepted.map(({ message }, place) => {
      const before = earlier[place] ?? null
      // Also what is equal to one that is refused.
      return unstored.has((before?.made ?? message.id) as MessageId) ? 'refused' : before
    })
  }

  private async admit(
    tx: Tx,
    accepted: Accepted[],
    refuse: (first: Accepted[]) => Promise<ReadonlySet<Accepted>>,
  ): Promise<(IdempotencyKey | null)[]> {
    const admissions = accepted.map(({ admission }) => admission)
    if (admissions.some((admission) => admission !== undefined)) {
      return this.options.keys.admit(tx, admissions, async (places) => {
        const refused = await refuse(places.map((place) => accepted[place] as Accepted))
        return new Set(places.filter((place) => refused.has(accepted[place] as Accepted)))
      })
    }
    await refuse(accepted)
    return accepted.map(() => null)
  }
}

function isUncertain(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'database_unavailable'
}
