import type { SessionStatus, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { GatewaySession } from '../gateway-client.js'
import { sessionButtons, sessionDetails, sessionLine } from '../sessions/session-text.js'
import { rich, lines } from '../telegram/html.js'
import type { Button } from '../telegram/talk.js'
import { words } from './arguments.js'
import type { Command, Tap } from './command.js'
import type { CommandParts } from './parts.js'

/** Telegram takes a hundred buttons; nobody reads as many. */
const SHOWN = 25

export function sessionsCommand({ live, tenants, gateway }: CommandParts): Command {
  return {
    name: 'sessions',
    summary: 'all sessions and how they are',
    run: async ({ say }) => {
      await live.refresh()
      const seen = live.list()
      const { others, problem } = await onlyInGateway(new Set(seen.map(({ id }) => id)))
      if (seen.length + others.length === 0 && !problem) {
        await say(rich`There is no session yet. /new &lt;name&gt; makes one.`)
        return
      }
      const shown = seen.slice(0, SHOWN)
      const more = seen.length - shown.length
      const text = lines(
        ...shown.map((session) => sessionLine({ ...session, name: tenants.titleOf(session) })),
        ...others.map((session) =>
          sessionLine({
            ...session,
            status: session.status as SessionStatus,
            phone: session.phone?.replace('+', '') ?? '',
          }),
        ),
        more > 0 ? rich`… and ${more} more` : null,
        problem ? rich`⚠️ ${problem} What the nodes run is shown.` : null,
      )
      const buttons: Button[][] = shown.map((session) => [
        { text: tenants.titleOf(session), data: `status:${session.id}` },
        ...sessionButtons(session),
      ])
      await say(text, { buttons })
    },
  }

  async function ofTenant(tenantId: TenantId): Promise<GatewaySession[]> {
    const sessions = await gateway.listSessions(tenantId)
    return sessions.map((session) => ({ ...session, name: tenants.titleOf({ tenantId, name: session.name }) }))
  }

  /** Sessions whose node is away, or that never started, are known to the gateway only. */
  async function onlyInGateway(known: Set<string>): Promise<{ others: GatewaySession[]; problem?: string }> {
    try {
      const all = await Promise.all((await tenants.read()).map(({ id }) => ofTenant(id)))
      return { others: all.flat().filter(({ id }) => !known.has(id)) }
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      return { others: [], problem: error.message }
    }
  }
}

export function statusCommand({ sessions }: CommandParts): Command {
  return {
    name: 'status',
    usage: '[name]',
    summary: 'how a session is, in full',
    run: async ({ text, chosen, say }) => {
      const session = await sessions.find(words(text)[0], { chosen })
      await say(sessionDetails(session), { buttons: [sessionButtons(session)] })
    },
  }
}

export function statusTap({ sessions }: CommandParts): Tap {
  return {
    action: 'status',
    run: async ({ argument, say }) => {
      const session = await sessions.byId(argument as `ses_${string}`)
      await say(sessionDetails(session), { buttons: [sessionButtons(session)] })
    },
  }
}
