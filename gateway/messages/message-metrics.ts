import { messageStatuses, type MessageStatus, type Origin } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { Counter, Histogram, Metrics } from '../../runtime/metrics.js'
import type { StoredEvent } from '../events/event.js'
import type { Message } from './message.js'
import type { OpenMessagesRepository } from './open-messages-repository.js'

/** Seconds: from a message that goes out at once to one that waits for its node until it expires. */
const SENT_BUCKETS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800, 10_800, 86_400]

export interface MessageMetricsOptions {
  metrics: Metrics
  open: OpenMessagesRepository
  clock: Clock
}

export class MessageMetrics {
  private readonly made: Counter<'origin'>
  private readonly reached: Counter<'status'>
  private readonly sentSeconds: Histogram

  constructor({ metrics, open, clock }: MessageMetricsOptions) {
    this.made = metrics.counter({
      name: 'switchboard_messages_total',
      help: 'Messages that came to be: accepted over REST (api), sent from Telegram, typed on the phone, or received (contact).',
      labels: ['origin'],
    })
    this.reached = metrics.counter({
      name: 'switchboard_message_statuses_total',
      help: 'Statuses that outgoing messages reached, as this gateway stored them.',
      labels: ['status'],
    })
    this.sentSeconds = metrics.histogram(
      {
        name: 'switchboard_message_sent_seconds',
        help: 'Time from the acceptance of a message to the first acknowledgement of WhatsApp, in seconds.',
      },
      SENT_BUCKETS,
    )
    for (const origin of ['api', 'telegram', 'phone', 'contact'] satisfies Origin[]) this.made.inc({ origin }, 0)
    for (const status of messageStatuses) if (status !== 'pending') this.reached.inc({ status }, 0)
    metrics.gauges(
      {
        open: {
          name: 'switchboard_messages_open',
          help: 'Outgoing messages that are not over: pending, of unknown outcome, or held for a person, over all tenants.',
          labels: ['status'],
        },
        oldest: {
          name: 'switchboard_messages_oldest_pending_seconds',
          help: 'Age of the oldest pending message in seconds; 0 when none is pending.',
        },
      },
      async () => {
        const { oldestPendingAt, ...counts } = await open.count()
        const age = oldestPendingAt === undefined ? 0 : Math.max(0, clock() - oldestPendingAt) / 1_000
        return {
          open: Object.entries(counts).map(([status, value]) => ({ labels: { status }, value })),
          oldest: [{ value: age }],
        }
      },
    )
  }

  /** A message was taken on over REST. */
  accepted(): void {
    this.made.inc({ origin: 'api' })
  }

  /** What the gateway itself made of messages, such as cancelled. */
  moved(messages: Iterable<Message>): void {
    for (const { status } of messages) this.reached.inc({ status })
  }

  /** What a node reported is stored. */
  stored({ messages, events }: { messages: readonly Message[]; events: readonly StoredEvent[] }): void {
    const byId = new Map(messages.map((message) => [message.id, message]))
    const sent = new Set<Message>()
    for (const { type, data, at } of events) {
      const message = data.messageId && byId.get(data.messageId)
      if (!message || !type.startsWith('message.')) continue
      // An event that brings a message along is the first that is heard of it.
      if ('message' in data) {
        this.made.inc({ origin: message.origin })
        continue
      }
      const status = type.slice('message.'.length) as MessageStatus
      if (!messageStatuses.includes(status) || status === 'pending') continue
      this.reached.inc({ status })
      if (message.sentAt !== at || sent.has(message)) continue
      sent.add(message)
      this.sentSeconds.observe(Math.max(0, message.sentAt - message.createdAt) / 1_000)
    }
  }
}
