import type { Clock } from '../../runtime/clock.js'
import type { WhatsAppClient } from '../whatsapp/whatsapp-client.js'

const KNOWN_MS = 24 * 3_600_000
/** Somebody may join any time. */
const UNKNOWN_MS = 60_000
const MOST = 10_000

/** Which chat a number is, as one session asked WhatsApp. Asked once a day, not once a message. */
export class Numbers {
  private readonly known = new Map<string, { chatId: string | undefined; until: number }>()

  constructor(private readonly clock: Clock) {}

  /** The chat to send to; undefined when the number is not on WhatsApp. Other chats than numbers are as they are. */
  async chatOf(client: WhatsAppClient, to: string): Promise<string | undefined> {
    const phone = /^(\d+)@c\.us$/.exec(to)?.[1]
    if (phone === undefined) return to
    const cached = this.known.get(phone)
    if (cached && cached.until > this.clock()) return cached.chatId
    const chatId = await client.checkNumber(phone)
    this.keep(phone, chatId)
    return chatId
  }

  private keep(phone: string, chatId: string | undefined) {
    const [oldest] = this.known.keys()
    if (this.known.size >= MOST && oldest !== undefined) this.known.delete(oldest)
    this.known.set(phone, { chatId, until: this.clock() + (chatId === undefined ? UNKNOWN_MS : KNOWN_MS) })
  }
}
