/** Numbers behind LIDs that the page could not tell by itself: WhatsApp is asked for them, seldom and not for long. */
import type { Logger } from '../../../runtime/log.js'
import { oneLine } from './deadline.js'
import type { Person } from './page/page-types.js'

export interface PeopleOptions {
  /** Whom the page knows after it has asked WhatsApp. */
  ask: (lids: string[]) => Promise<Person[]>
  log: Logger
}

/** Asked about once in this time, whatever the answer was: who hides their number goes on hiding it. */
const ASK_AGAIN_MS = 3_600_000
const MOST_PER_MINUTE = 30
/** After a question that came to nothing: what comes in must not wait for each of the next. */
const REST_MS = 60_000
const MOST_KEPT = 10_000

export class People {
  readonly #numbers = new Map<string, string>()
  readonly #askedAt = new Map<string, number>()
  #restUntil = 0

  constructor(
    private readonly options: PeopleOptions,
    private readonly now: () => number = () => performance.now(),
  ) {}

  /** Fills in the numbers that are known. False when WhatsApp is to be asked for others. */
  fill(people: readonly Person[]): boolean {
    for (const person of people) {
      const phone = person.phone ?? this.#numbers.get(person.id)
      if (phone !== undefined) person.phone = phone
    }
    return !people.some((person) => this.#mayAsk(person))
  }

  /** Gives each a number, as far as it can be found out. Never throws. */
  async complete(people: readonly Person[]): Promise<void> {
    if (this.fill(people)) return
    const now = this.now()
    const asked = [...this.#askedAt.values()].filter((at) => now - at < 60_000).length
    const unknown = new Set(people.filter((person) => this.#mayAsk(person)).map(({ id }) => id))
    const lids = [...unknown].slice(0, Math.max(0, MOST_PER_MINUTE - asked))
    if (lids.length === 0) return
    for (const lid of lids) keep(this.#askedAt, lid, now)
    try {
      for (const { id, phone } of await this.options.ask(lids)) if (phone) keep(this.#numbers, id, phone)
    } catch (thrown) {
      this.#restUntil = now + REST_MS
      this.options.log.warn({ problem: oneLine(thrown), count: lids.length }, 'numbers.not_asked')
    }
    this.fill(people)
  }

  #mayAsk(person: Person): boolean {
    const now = this.now()
    if (!isHidden(person) || now < this.#restUntil) return false
    return now - (this.#askedAt.get(person.id) ?? -Infinity) >= ASK_AGAIN_MS
  }
}

const isHidden = ({ id, phone }: Person) => phone === undefined && id.endsWith('@lid')

/** The oldest go first. */
function keep<Value>(kept: Map<string, Value>, key: string, value: Value): void {
  kept.delete(key)
  kept.set(key, value)
  for (const oldest of kept.keys()) {
    if (kept.size <= MOST_KEPT) break
    kept.delete(oldest)
  }
}
