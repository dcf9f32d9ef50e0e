import type { NodeDirectory } from '../proto/node-directory.js'
import type { Metrics } from '../runtime/metrics.js'
import type { CommandWatch } from './dispatcher.js'
import type { UpdateWatch } from './telegram/inbox.js'
import type { CallWatch } from './telegram/telegram-api.js'

export interface BotNumbers {
  /** Messages that wait to be sent to chats. */
  waiting: () => number
  nodes: Pick<NodeDirectory, 'nodes'>
}

export interface BotMetrics {
  onUpdate: UpdateWatch
  onCall: CallWatch
  onCommand: CommandWatch
  /** The rest is looked up when somebody asks. */
  watch(numbers: BotNumbers): void
}

/** What the bot is watched by. No chats, no operators, no names. */
export function botMetrics(metrics: Metrics): BotMetrics {
  const updates = metrics.counter({
    name: 'switchboard_telegram_updates_total',
    help: 'Updates from Telegram by what became of them: handled, failed, given_up (kept ending the process), repeated, ignored (of a stranger).',
    labels: ['result'],
  })
  const calls = metrics.counter({
    name: 'switchboard_telegram_calls_total',
    help: 'Calls to Telegram by what became of them: ok, refused, rate_limited, no_answer.',
    labels: ['result'],
  })
  const commands = metrics.counter({
    name: 'switchboard_bot_commands_total',
    help: 'Commands of operators by name and by whether they were done.',
    labels: ['command', 'result'],
  })
  for (const result of ['handled', 'failed', 'given_up', 'repeated', 'ignored'] as const) updates.inc({ result }, 0)
  for (const result of ['ok', 'refused', 'rate_limited', 'no_answer'] as const) calls.inc({ result }, 0)
  return {
    onUpdate: (result) => updates.inc({ result }),
    onCall: (result) => calls.inc({ result }),
    onCommand: (command, result) => commands.inc({ command, result }),
    watch({ waiting, nodes }) {
      metrics.gauges(
        {
          waiting: {
            name: 'switchboard_telegram_outbox_messages',
            help: 'Messages and edits that wait to be sent to chats within the limits of Telegram.',
          },
          nodes: {
            name: 'switchboard_bot_nodes',
            help: 'Session nodes that the bot knows of, by whether they answer it.',
            labels: ['state'],
          },
        },
        () => {
          const all = nodes.nodes()
          const reachable = all.filter((node) => node.reachable).length
          return {
            waiting: [{ value: waiting() }],
            nodes: [
              { labels: { state: 'reachable' }, value: reachable },
              { labels: { state: 'unreachable' }, value: all.length - reachable },
            ],
          }
        },
      )
    },
  }
}
