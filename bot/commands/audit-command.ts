import type { SessionId } from '../../proto/contract.js'
import type { AuditLine } from '../gateway-client.js'
import { type Html, lines, rich } from '../telegram/html.js'
import type { Command } from './command.js'
import type { CommandParts } from './parts.js'

const SHOWN = 10

export function auditCommand({ gateway, live }: CommandParts): Command {
  return {
    name: 'audit',
    summary: 'who did what last',
    run: async ({ say }) => {
      const last = await gateway.audit(SHOWN)
      const nameOf = (id: string) => (id.startsWith('ses_') ? live.nameOf(id as SessionId) : id)
      await say(last.length > 0 ? lines(...last.map((line) => shownLine(line, nameOf))) : rich`Nothing was done yet.`)
    },
  }
}

function shownLine({ at, actor, action, target, outcome }: AuditLine, nameOf: (id: string) => string): Html {
  const when = `${at.slice(0, 10)} ${at.slice(11, 16)}`
  const what = target ? rich`<b>${action}</b> ${nameOf(target)}` : rich`<b>${action}</b>`
  return rich`<code>${when}</code> ${actor}: ${what}${outcome === 'done' ? rich`` : rich` (${outcome})`}`
}
