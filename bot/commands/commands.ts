import { auditCommand } from './audit-command.js'
import type { Command, CommandCall, Tap } from './command.js'
import { heldTap } from './held-tap.js'
import { helpCommand } from './help-command.js'
import { newCommand, newQrTap, pairCommand, qrCommand, qrTap } from './link-commands.js'
import { nodesCommand } from './nodes-command.js'
import type { CommandParts } from './parts.js'
import { SendCommand } from './send-command.js'
import {
  changeTaps,
  confirmTaps,
  deleteCommand,
  logoutCommand,
  restartCommand,
  startCommand,
  stopCommand,
} from './session-commands.js'
import { sessionsCommand, statusCommand, statusTap } from './sessions-command.js'
import { usageCommand } from './usage-command.js'
import { unwatchCommand, watchCommand } from './watch-commands.js'

export interface CommandSet {
  /** In the order of /help and of Telegram's menu. */
  commands: Command[]
  taps: Tap[]
  onMessage: (call: CommandCall) => Promise<boolean>
}

/** All that operators can ask for. A new command is a line here. */
export function createCommands(parts: CommandParts): CommandSet {
  const send = new SendCommand(parts)
  const commands: Command[] = [
    sessionsCommand(parts),
    newCommand(parts),
    pairCommand(parts),
    qrCommand(parts),
    statusCommand(parts),
    send,
    watchCommand(parts),
    unwatchCommand(parts),
    startCommand(parts, () => commands),
    restartCommand(parts),
    stopCommand(parts),
    logoutCommand(parts),
    deleteCommand(parts),
    usageCommand(parts),
    nodesCommand(parts),
    auditCommand(parts),
    helpCommand(() => commands),
  ]
  const taps = [
    statusTap(parts),
    qrTap(parts),
    newQrTap(parts),
    heldTap(parts),
    ...changeTaps(parts),
    ...confirmTaps(parts),
  ]
  return { commands, taps, onMessage: (call) => send.onMessage(call) }
}
