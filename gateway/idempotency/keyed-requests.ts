/** `Idempotency-Key` as routes see it. */
import type { ApiContext } from '../http/context.js'
import { AppError } from '../../runtime/app-error.js'
import {
  givenKey,
  type GivenKey,
  type IdempotencyKey,
  type KeyedRequest,
  refusalOf,
  inProgress,
  type StoredAnswer,
} from './idempotency-key.js'
import type { Claim, IdempotencyKeys } from './idempotency-keys.js'

export interface OnceOptions {
  /** For answers that are good for a shorter time. */
  keepMs?: number
  /** False where nothing is made by a request that is refused: its key stays free. */
  keepsRefusals?: boolean
  /** Answers an equal request; with what was answered first, unless given. */
  replay?: (earlier: IdempotencyKey) => Promise<void>
}

export class KeyedRequests {
  constructor(private readonly keys: IdempotencyKeys) {}

  /** The key of a request, if it brings one. Throws `invalid` (`invalid_idempotency_key`). */
  keyOf(ctx: ApiContext, route: string): GivenKey | undefined {
    const text = ctx.req.headers['idempotency-key']
    if (text === undefined) return undefined
    return givenKey(String(text), `${ctx.method} ${route}`, ctx.state.tenantId)
  }

  /**
   * For requests that call a node or take an upload: does the work, unless it was done, is being done (`conflict`), or
   * something else was asked under the key (`unprocessable`). Refusals that would last are kept, like answers.
   */
  async once(
    ctx: ApiContext,
    request: KeyedRequest | undefined,
    work: (claim?: Claim) => Promise<void>,
    { keepMs, keepsRefusals = true, replay = () => Promise.resolve() }: OnceOptions = {},
  ): Promise<void> {
    if (!request) return work()
    const claim = await this.keys.claim(request)
    if ('answered' in claim) {
      await replay(claim.answered)
      return this.replay(ctx, claim.answered)
    }
    await this.keys.hold(claim, async () => {
      try {
        await work(claim)
        if (!claim.settled) await this.keys.settleNow(claim, { answer: answerOf(ctx), keepMs })
      } catch (error) {
        const answer = claim.settled || !keepsRefusals ? undefined : refusalOf(error)
        if (answer) await this.keys.settleNow(claim, { answer })
        throw error
      }
    })
  }

  /** Marks an answer as one that was given before, and gives it unless the route has found its own words. */
  replay(ctx: ApiContext, { answer }: IdempotencyKey): void {
    ctx.set('Idempotency-Replayed', 'true')
    if (ctx.body !== undefined && ctx.body !== null) return
    if (answer === null) throw inProgress()
    give(ctx, answer)
  }
}

/** Answers with what is stored. Throws the refusal if it is one. */
export function give(ctx: ApiContext, answer: StoredAnswer): void {
  if ('refusal' in answer) {
    const { code, reason, message } = answer.refusal
    throw new AppError(code, message, { reason })
  }
  ctx.status = answer.status
  if (answer.location !== undefined) ctx.set('Location', answer.location)
  if (answer.body !== undefined) ctx.body = answer.body
}

/** What a route has answered. */
function answerOf(ctx: ApiContext) {
  const location = ctx.response.get('Location')
  const { status, body } = ctx
  return {
    status,
    ...(location === '' ? {} : { location }),
    ...(body === undefined || body === null ? {} : { body: body as unknown }),
  }
}
