import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import { currentTrace, newTrace, traced } from '../../runtime/trace.js'
import type { BotState } from '../bot-state.js'
import type { GatewayClient } from '../gateway-client.js'

const CHECK_MS = 2_000
const AT_ONCE = 50

interface Done {
  id: string
  actor: string
  action: string
  tenant: string
  target: string
  trace: string
  at: number
}

interface Parts {
  state: BotState
  gateway: Pick<GatewayClient, 'reportAction'>
  clock: Clock
  log: Logger
  checkMs?: number
}

/**
 * What operators do at nodes, past the gateway, told to its audit log. Kept here first: a gateway that is away learns of
 * it when it is back.
 */
export class AuditTrail implements Service {
  private readonly rounds: Rounds

  constructor(private readonly parts: Parts) {
    this.rounds = new Rounds({
      round: () => this.tellDue(),
      restMs: parts.checkMs ?? CHECK_MS,
      // Once for each outage.
      onFailed: (err, isNew) => isNew && parts.log.warn({ err }, 'audit.not_told'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  /** On behalf of the operator whose command or tap this is part of. */
  note(
    action: 'showQr' | 'createPairingCode' | 'sendMessage',
    { tenantId }: { tenantId: TenantId },
    target: string,
  ): void {
    const trace = currentTrace()
    if (!trace?.actor) throw new Error(`Nobody is known to have done ${action}`)
    const { state, clock } = this.parts
    state.run(
      'INSERT INTO audit (id, actor, action, tenant, target, trace, at) VALUES (?, ?, ?, ?, ?, ?, ?)',
      ...[newId('aud'), trace.actor, action, tenantId, target, trace.id, clock()],
    )
  }

  private async tellDue(): Promise<void> {
    const { state, gateway, log } = this.parts
    const due = state.all<Done>(`SELECT * FROM audit ORDER BY id LIMIT ${AT_ONCE}`)
    for (const { actor, trace, ...done } of due) {
      const at = new Date(done.at).toISOString()
      await traced({ ...newTrace(), id: trace, actor }, () => gateway.reportAction({ ...done, at })).catch(
        (err: unknown) => {
          // Asking again would change nothing, and what comes after it must be told.
          if (!(err instanceof AppError) || err.code !== 'invalid') throw err
          log.error({ err, ...done, actor }, 'audit.refused')
        },
      )
      state.run('DELETE FROM audit WHERE id = ?', done.id)
    }
  }
}
