/** What people wrote stands in clear in the messages table only: where events are kept, those parts are encrypted. */
import type { Logger } from '../../runtime/log.js'
import { seal, unseal } from '../tenants/sealing.js'
import { catalogue, definitionOf, type EventType } from './catalogue/catalogue.js'
import type { StoredEvent } from './event.js'

type Data = StoredEvent['data']
type Event = Pick<StoredEvent, 'id' | 'type' | 'data'>

/** The name under which they stand in a stored event. */
const FIELD = 'sealed'
const isKnown = (type: string): type is EventType => Object.hasOwn(catalogue, type)

export class SealedData {
  private hasTold = false

  constructor(
    private readonly key: () => Buffer,
    private readonly log?: Logger,
  ) {}

  /** As it is stored. Costs nothing for events that say nothing of content, which are nearly all. */
  seal({ id, type, data }: Event): Record<string, unknown> {
    const parts = definitionOf(type).sealed.filter((field) => data[field] !== undefined)
    if (parts.length === 0) return data
    const clear: Record<string, unknown> = { ...data }
    for (const field of parts) delete clear[field]
    const hidden = Object.fromEntries(parts.map((field) => [field, data[field]]))
    return { ...clear, [FIELD]: seal(hidden, id, this.key()) }
  }

  /** What cannot be opened any more, because SECRET_KEY is another one, is left out. */
  open({ id, type, data }: Event): Data {
    const { [FIELD]: sealed, ...clear } = data
    if (typeof sealed !== 'string' || !isKnown(type)) return data
    try {
      return { ...clear, ...(unseal(sealed, id, this.key()) as object) }
    } catch (err) {
      const hint = 'it was stored under another SECRET_KEY; events of that time lack what people wrote'
      if (!this.hasTold) this.log?.warn({ err, event: id, hint }, 'event.not_opened')
      this.hasTold = true
      return clear
    }
  }
}
