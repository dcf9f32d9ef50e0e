import type { KnownNode } from '../../proto/node-directory.js'
import { isFilling } from '../alerts/event-log-alerts.js'
import { type Html, rich, lines } from '../telegram/html.js'
import type { Command } from './command.js'
import type { CommandParts } from './parts.js'

export function nodesCommand({ directory }: CommandParts): Command {
  return {
    name: 'nodes',
    summary: 'the session nodes, their load and health',
    run: async ({ say }) => {
      await directory.refresh()
      const nodes = directory.nodes()
      await say(nodes.length > 0 ? lines(...nodes.map(nodeLines)) : rich`No session node is known.`)
    },
  }
}

function nodeLines({ target, reachable, info }: KnownNode): Html {
  if (!info) return rich`🔴 <code>${target}</code> has never answered.`
  const load = `${info.load} of ${info.capacity} sessions`
  const draining = info.draining ? ', takes no new ones' : ''
  return lines(
    rich`${reachable ? '🟢' : '🔴'} <b>${info.id}</b> at <code>${target}</code>`,
    reachable
      ? rich` ${load}${draining} · version ${info.version} · ${info.engines.join(', ')}`
      : rich` does not answer; last seen with ${load}`,
    isFilling(info)
      ? rich` ⚠️ Its event log is nearly full: no gateway reads it. When it is full, its sessions are disconnected until it was read.`
      : null,
    info.browserProblem ? rich` ⚠️ ${info.browserProblem}` : null,
  )
}
