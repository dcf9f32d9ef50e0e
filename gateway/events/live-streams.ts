/** The streams that stand at this gateway: so many and no more, and each only as long as its key is good. */
import { AppError } from '../../runtime/app-error.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { Caller } from '../messages/messages.js'
import type { ApiKey } from '../tenants/api-key.js'

export interface LiveStreamsOptions {
  stillGood: (ids: readonly ApiKey['id'][]) => Promise<ReadonlyMap<ApiKey['id'], ApiKey>>
  log: Logger
  limits?: StreamLimits
}

/** At one gateway. */
export interface StreamLimits {
  perKey: number
  perTenant: number
  inAll: number
}

const LIMITS: StreamLimits = { perKey: 20, perTenant: 100, inAll: 1_000 }
/** A key that was revoked has no stream any more within twice this. */
const CHECK_MS = 2_000

export interface LiveStream {
  /** Fires, with an AppError as its reason, when the key is good no longer. */
  signal: AbortSignal
  close(): void
}

interface Standing {
  caller: Caller
  ending: AbortController
}

export class LiveStreams implements Service {
  private readonly standing = new Set<Standing>()
  private readonly rounds: Rounds

  constructor(private readonly options: LiveStreamsOptions) {
    this.rounds = new Rounds({
      round: () => this.check(),
      restMs: CHECK_MS,
      onFailed: (err) => options.log.warn({ err }, 'event_streams.keys_not_checked'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** How many there are. */
  count(): number {
    return this.standing.size
  }

  /** Throws `rate_limited` and `unavailable` (`too_many_streams`). */
  open(caller: Caller): LiveStream {
    const { perKey, perTenant, inAll } = this.options.limits ?? LIMITS
    const all = [...this.standing].map((stream) => stream.caller)
    const reason = { reason: 'too_many_streams', retryAfterMs: 5_000 }
    if (all.filter(({ key }) => key.id === caller.key.id).length >= perKey) {
      throw new AppError('rate_limited', `An API key may have ${perKey} streams at once.`, reason)
    }
    if (all.filter(({ tenantId }) => tenantId === caller.tenantId).length >= perTenant) {
      throw new AppError('rate_limited', `A tenant may have ${perTenant} streams at once.`, reason)
    }
    if (all.length >= inAll) {
      throw new AppError('unavailable', 'This gateway serves as many streams as it can.', reason)
    }
    const stream: Standing = { caller, ending: new AbortController() }
    this.standing.add(stream)
    return { signal: stream.ending.signal, close: () => this.standing.delete(stream) }
  }

  /** Ends the streams of keys that were revoked, have expired or may see something else now. */
  async check(): Promise<void> {
    if (this.standing.size === 0) return
    const ids = new Set([...this.standing].map(({ caller }) => caller.key.id))
    const good = await this.options.stillGood([...ids])
    for (const { caller, ending } of this.standing) {
      if (sameRights(caller.key, good.get(caller.key.id))) continue
      const message = 'The API key of this stream was revoked or changed, or has expired.'
      ending.abort(new AppError('unauthenticated', message, { reason: 'api_key_unknown' }))
    }
  }
}

function sameRights(then: ApiKey, now: ApiKey | undefined): boolean {
  const rights = ({ scopes, sessions }: ApiKey) => JSON.stringify([scopes, sessions])
  return now !== undefined && rights(then) === rights(now)
}
