import { Redis } from 'ioredis'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Metrics } from '../../runtime/metrics.js'

export interface RedisConnectionOptions {
  /** redis:// or, with TLS, rediss:// */
  url: string
  metrics: Metrics
  log: Logger
}

const CONNECT_MS = 2_000
/** A request waits so long for its count at most. */
const COMMAND_MS = 500
/** A connection that answers nothing for so long is thrown away, whatever the kernel still hopes for. */
const SILENT_MS = 3_000
/** So long nobody asks again after a failure; then one does. */
const REST_MS = 1_000
const MOST_BETWEEN_MS = 2_000

/**
 * A Redis that gateways count in together. It may be away at any time, also at the start: whoever counts asks first
 * whether it can be used, says how that went, and goes on without.
 */
export class RedisConnection implements Service {
  readonly client: Redis
  /** By the steady clock; undefined while it works. */
  private awaySince: number | undefined
  private restUntil = 0
  private isStopping = false
  private readonly onFailure: () => void

  constructor(private readonly options: RedisConnectionOptions) {
    const { url, metrics } = options
    this.client = new Redis(url, {
      keyPrefix: 'switchboard:',
      connectionName: 'switchboard-gateway',
      lazyConnect: true,
      connectTimeout: CONNECT_MS,
      commandTimeout: COMMAND_MS,
      // Whoever asks is waiting: nothing is kept for later, or sent again.
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: 0,
      retryStrategy: (attempt) => Math.min(attempt * 100, MOST_BETWEEN_MS),
      // The old primary after a failover.
      reconnectOnError: ({ message }) => message.startsWith('READONLY'),
    })
    this.client.on('error', (err: Error) => this.failed(err))
    this.client.on('ready', () => this.worked())
    this.client.on('close', () => this.failed(new Error('the connection was closed')))
    const failures = metrics.counter({
      name: 'switchboard_redis_failures_total',
      help: 'Commands to Redis, and connections to it, that failed. Meanwhile each gateway counts for itself.',
    })
    this.onFailure = () => failures.inc()
    metrics.gauges(
      { up: { name: 'switchboard_redis_up', help: '1 while rate limits are counted in Redis, 0 while it is away.' } },
      () => ({ up: [{ value: this.client.status === 'ready' && this.awaySince === undefined ? 1 : 0 }] }),
    )
  }

  async start(): Promise<void> {
    this.isStopping = false
    // It goes on trying by itself.
    await this.client.connect().catch((err: unknown) => this.failed(err))
  }

  stop(): Promise<void> {
    this.isStopping = true
    this.client.disconnect()
    return Promise.resolve()
  }

  /** While it is away, true for one asker at a time: who is told so has to say how it went. */
  canBeAsked(): boolean {
    if (this.client.status !== 'ready') return false
    if (this.awaySince === undefined) return true
    const now = performance.now()
    if (now < this.restUntil) return false
    this.restUntil = now + REST_MS
    return true
  }

  worked(): void {
    if (this.awaySince === undefined) return
    this.awaySince = undefined
    this.options.log.info('redis.back')
  }

  failed(err: unknown): void {
    if (this.isStopping) return
    this.onFailure()
    const now = performance.now()
    this.restUntil = now + REST_MS
    if (this.awaySince === undefined) {
      this.awaySince = now
      this.options.log.warn({ err }, 'redis.away')
    } else if (this.client.status === 'ready' && now - this.awaySince > SILENT_MS) {
      this.client.disconnect(true)
    }
  }
}
