import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import type { BotState } from '../bot-state.js'
import type { GatewayClient, Notice } from '../gateway-client.js'
import { DEFAULT_TENANT } from '../sessions/find-session.js'
import { type Html, lines, rich } from '../telegram/html.js'
import type { Talk } from '../telegram/talk.js'
import { tellOperators } from './tell-operators.js'

const CHECK_MS = 10_000

interface Parts {
  operators: readonly number[]
  state: BotState
  gateway: Pick<GatewayClient, 'notices'>
  talk: Talk
  log: Logger
  checkMs?: number
}

/** Tells operators what the gateway has to say of tenants: webhooks that fail, limits that are reached. */
export class Notices implements Service {
  private readonly rounds: Rounds

  constructor(private readonly parts: Parts) {
    this.rounds = new Rounds({
      round: () => this.tellDue(),
      restMs: parts.checkMs ?? CHECK_MS,
      // Once for each outage: that the gateway is away is seen elsewhere, too.
      onFailed: (err, isNew) => isNew && parts.log.warn({ err }, 'notices.not_read'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  private async tellDue(): Promise<void> {
    const { state, gateway } = this.parts
    const cursor = state.get<{ cursor: string }>('SELECT cursor FROM notices')?.cursor
    const { data, nextCursor } = await gateway.notices(cursor)
    for (const notice of data) {
      const text = textOf(notice)
      if (text) await tellOperators(this.parts, text)
    }
    // Only now: what could not be told is told the next time.
    if (nextCursor !== cursor) state.run('INSERT OR REPLACE INTO notices (one, cursor) VALUES (1, ?)', nextCursor)
  }
}

function textOf({ type, tenant, data }: Notice): Html | undefined {
  const of = tenant === DEFAULT_TENANT ? rich`` : rich` of ${tenant}`
  const { webhook, error, reason, quota, used, limit } = data
  const named = webhook && rich`The webhook <b>${webhook.description ?? webhook.id}</b> (${webhook.host})${of}`
  switch (type) {
    case 'webhook.failing':
      return (
        named &&
        lines(
          rich`🟠 ${named} does not take its events. They are tried again for up to five days.`,
          error ? rich`${error}` : null,
        )
      )
    case 'webhook.disabled':
      return (
        named &&
        rich`🔴 ${named} is disabled: ${reason === 'gone' ? 'it answered that it is gone' : 'it has failed for five days'}. What it missed can be replayed once it is enabled again.`
      )
    case 'quota.warning':
      return rich`🟠 The limit on <b>${nameOf(quota)}</b>${of} is nearly reached: ${used ?? '?'} of ${limit ?? '?'}.`
    case 'quota.reached':
      return rich`🔴 The limit on <b>${nameOf(quota)}</b>${of} is reached: ${limit ?? '?'}. What exceeds it is refused.`
    default:
      return undefined
  }
}

const names: Readonly<Record<string, string>> = { messagesPerDay: 'messages per day', mediaBytes: 'bytes of files' }

/** A gateway that is newer may have limits that have no words here. */
function nameOf(quota = ''): string {
  return names[quota] ?? quota
}
