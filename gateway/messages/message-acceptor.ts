/** Stores accepted messages, those of many requests together, each with the key it was asked under. */
import { AppError } from '../../runtime/app-error.js'
import { Coalescer } from '../db/coalescer.js'
import type { Database } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import type { IdempotencyKey } from '../idempotency/idempotency-key.js'
import type { Admission, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { Message } from './message.js'
import type { MessageRepository } from './message-repository.js'

interface Accepted {
  message: Message
  admission?: Admission
}

const TRIES = 3

export class MessageAcceptor {
  private readonly coalescer: Coalescer<Accepted, IdempotencyKey | null>

  constructor(private readonly options: { db: Database; repository: MessageRepository; keys: IdempotencyKeys }) {
    const { db, repository, keys } = options
    this.coalescer = new Coalescer({
      db,
      store: async (tx, accepted) => {
        const keyed = accepted.some(({ admission }) => admission !== undefined)
        const earlier = keyed
          ? await keys.admit(
              tx,
              accepted.map(({ admission }) => admission),
            )
          : accepted.map(() => null)
        await repository.add(
          tx,
          accepted.flatMap(({ message }, index) => (earlier[index] ? [] : message)),
        )
        return earlier
      },
    })
  }

  /** Resolves once nothing waits to be stored. */
  idle(): Promise<void> {
    return this.coalescer.idle()
  }

  async add(message: Message): Promise<void> {
    await this.coalescer.add({ message })
  }

  /** Null when the message is stored; the earlier request when there was one under this key, and nothing is stored. */
  async addOnce(message: Message, admission: Admission): Promise<IdempotencyKey | null> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.coalescer.add({ message, admission })
      } catch (error) {
        const quicker = isDuplicate(error)
        if (!quicker && !isUncertain(error)) throw error
        // Another gateway was first, or the connection was lost in the commit: the key tells.
        const stored = await this.options.keys.find(admission.request.id).catch(() => null)
        if (stored?.made === message.id) return null
        if (stored) return stored
        if (!quicker || attempt === TRIES) throw error
      }
    }
  }
}

function isUncertain(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'database_unavailable'
}
