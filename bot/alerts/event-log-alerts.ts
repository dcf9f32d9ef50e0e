import type { NodeId, NodeInfo } from '../../proto/contract.js'
import type { NodeDirectory } from '../../proto/node-directory.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import { Rounds } from '../../runtime/rounds.js'
import { rich } from '../telegram/html.js'
import type { Talk } from '../telegram/talk.js'
import { tellOperators } from './tell-operators.js'

const FILLING_AT = 0.8
const CHECK_MS = 1_000

/** Nobody reads what this node reports: soon it disconnects its sessions. */
export function isFilling({ eventLog }: NodeInfo): boolean {
  return eventLog !== undefined && eventLog.bytes >= FILLING_AT * eventLog.maxBytes
}

interface Parts {
  operators: readonly number[]
  directory: Pick<NodeDirectory, 'nodes'>
  talk: Talk
  log: Logger
  checkMs?: number
}

/** Tells operators when the event log of a node is nearly full, and when it has room again. */
export class EventLogAlerts implements Service {
  private readonly filling = new Set<NodeId>()
  private readonly rounds: Rounds

  constructor(private readonly parts: Parts) {
    this.rounds = new Rounds({
      round: () => this.tellDue(),
      restMs: parts.checkMs ?? CHECK_MS,
      restFirst: true,
      onFailed: (err) => parts.log.warn({ err }, 'event_log.not_told'),
    })
  }

  start(): Promise<void> {
    return this.rounds.start()
  }

  stop(): Promise<void> {
    return this.rounds.stop()
  }

  private async tellDue(): Promise<void> {
    for (const { info, reachable } of this.parts.directory.nodes()) {
      if (!info || !reachable || isFilling(info) === this.filling.has(info.id)) continue
      if (isFilling(info)) {
        const percent = Math.min(100, Math.floor((100 * (info.eventLog?.bytes ?? 0)) / (info.eventLog?.maxBytes ?? 1)))
        await tellOperators(
          this.parts,
          rich`🔴 The event log of <b>${info.id}</b> is ${percent} % full: no gateway reads it. When it is full, its sessions are disconnected until it was read.`,
        )
        this.filling.add(info.id)
      } else {
        await tellOperators(this.parts, rich`🟢 The event log of <b>${info.id}</b> has room again.`)
        this.filling.delete(info.id)
      }
    }
  }
}
