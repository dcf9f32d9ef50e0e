import { type Engine, engines, type SessionId, type TenantId } from '../../proto/contract.js'
import { explain, takesMessages } from '../../proto/reasons.js'
import { AppError } from '../../runtime/app-error.js'
import { sleep } from '../../runtime/clock.js'
import type { LiveSession } from '../sessions/live-sessions.js'
import { sessionButtons, sessionLine } from '../sessions/session-text.js'
import { rich, lines } from '../telegram/html.js'
import { parsePhone, words } from './arguments.js'
import type { Asked, Command, CommandCall, Tap } from './command.js'
import type { CommandParts } from './parts.js'

/** How long a browser may take until it shows a QR code; pairing codes need one to be shown. */
const QR_WAIT_MS = 90_000

export function newCommand(parts: CommandParts): Command {
  return {
    name: 'new',
    usage: '<name>',
    summary: 'make a session and link a number by QR code',
    urgent: true,
    run: async (call) => {
      const wanted = readNew(call.text)
      const created = await create(parts, call, wanted).catch((error: unknown) => {
        if (isTaken(error)) return null
        throw error
      })
      if (!created) return tellExisting(parts, call, wanted)
      await call.say(
        lines(
          rich`✨ <b>${created.name}</b> is being started. The QR code comes here.`,
          await linkLine(parts, created.id, created.tenantId),
        ),
        { replyTo: call.messageId },
      )
      parts.audit.note('showQr', created, created.id)
      parts.qrPhotos.show(call.chatId, created.id)
    },
  }
}

export function qrCommand(parts: CommandParts): Command {
  return {
    name: 'qr',
    usage: '[name]',
    summary: 'the QR code of a session',
    urgent: true,
    run: async (call) => {
      const session = await parts.sessions.find(words(call.text)[0], { chosen: call.chosen })
      await showQr(parts, call, session)
    },
  }
}

export function qrTap(parts: CommandParts): Tap {
  return {
    action: 'qr',
    urgent: true,
    run: async (call) => showQr(parts, call, await parts.sessions.byId(call.argument as SessionId)),
  }
}

/** Under a photo whose codes ran out: the next ones appear in the same place. */
export function newQrTap(parts: CommandParts): Tap {
  return {
    action: 'newqr',
    urgent: true,
    run: async (call) => {
      const session = await parts.sessions.byId(call.argument as SessionId)
      if (session.status === 'connected') throw alreadyLinked(session)
      if (session.status !== 'qr_pending') await parts.gateway.change(session.id, 'start')
      parts.audit.note('showQr', session, session.id)
      parts.qrPhotos.show(call.chatId, session.id, call.messageId)
    },
  }
}

export function pairCommand(parts: CommandParts): Command {
  return {
    name: 'pair',
    usage: '<name> <phone>',
    summary: 'link a number by a code that is typed on the phone',
    urgent: true,
    run: async (call) => {
      const [name, number] = words(call.text, 2)
      if (!name || !number) throw new AppError('invalid', 'Usage: /pair <name> <phone>')
      const phone = parsePhone(number)
      const session = await findOrCreate(parts, call, name)
      const { status } = session
      if (status === 'connected') throw alreadyLinked(session)
      if (status !== 'qr_pending' && status !== 'starting') await parts.gateway.change(session.id, 'start')
      const answer = await call.say(rich`⏳ Getting a pairing code for <b>${session.name}</b>…`, {
        replyTo: call.messageId,
      })
      call.later(async (signal) => {
        const ready = await untilQr(parts, session.id, signal)
        // The node knows of its own sessions only, and asking for a code could unlink one of another's.
        const has = (other: LiveSession) =>
          other.id !== ready.id && other.phone === phone && takesMessages(other.status)
        const other = parts.live.list().find(has)
        if (other) throw alreadyLinked(other)
        const request = { sessionId: ready.id, phone }
        parts.audit.note('createPairingCode', ready, ready.id)
        const { code } = await parts.live.clientOf(ready).call('RequestPairingCode', request, { signal })
        await parts.talk.edit(
          call.chatId,
          answer,
          lines(
            rich`Pairing code for <b>${ready.name}</b>: <code>${code.slice(0, 4)}-${code.slice(4)}</code>`,
            rich`On the phone with +${phone}: WhatsApp → Linked devices → Link a device → Link with phone number instead.`,
          ),
        )
        parts.qrPhotos.awaitPairing(call.chatId, ready.id, answer)
      })
    },
  }
}

interface Wanted {
  name: string
  /** Name or id. */
  tenant: string
  engine: Engine | undefined
}

function readNew(text: string): Wanted {
  const [reference = '', engine] = words(text)
  const [name = '', tenant = 'default'] = reference.split('/').reverse()
  if (name === '') throw new AppError('invalid', 'Usage: /new <name>, such as /new shop')
  const known = engines.find((candidate) => candidate === engine)
  if (engine !== undefined && !known) {
    throw new AppError('invalid', `A session is of engine ${engines.join(' or ')}, not ${engine}.`)
  }
  return { name, tenant, engine: known }
}

/** A redelivered update gets the session that the first one made. Throws `conflict` when the name is taken. */
async function create(
  { gateway, tenants }: CommandParts,
  { chatId, messageId }: Asked,
  { name, tenant, engine }: Wanted,
) {
  const wanted = { name, ...(engine ? { engine } : {}) }
  const { id: tenantId } = await tenants.byRef(tenant)
  const idempotencyKey = `telegram-${chatId}-${messageId}`
  try {
    return { ...(await gateway.createSession(wanted, { tenant: tenantId, idempotencyKey })), tenantId }
  } catch (error) {
    if (!isTaken(error)) throw error
    // Made and never started, as the first start does with `default`: no node knows it yet, and nobody has used it.
    const made = (await gateway.listSessions(tenantId)).find(
      (session) => session.name === name && session.status === 'created' && session.reason === undefined,
    )
    if (!made) throw error
    await gateway.change(made.id, 'start', tenantId)
    return { ...made, tenantId }
  }
}

function isTaken(error: unknown): boolean {
  return error instanceof AppError && error.reason === 'session_exists'
}

async function tellExisting({ sessions }: CommandParts, call: Asked, { tenant, name }: Wanted): Promise<void> {
  const session = await sessions.find(`${tenant}/${name}`).catch((error: unknown) => {
    if (error instanceof AppError && error.code === 'not_found') return undefined
    throw error
  })
  if (!session) {
    // Its row stands before its node hears of it.
    await call.say(rich`<b>${name}</b> exists already. Its session node does not know it yet, or does not answer.`)
    return
  }
  await call.say(lines(rich`<b>${name}</b> exists already:`, sessionLine(session)), {
    buttons: [sessionButtons(session)],
  })
}

async function findOrCreate(parts: CommandParts, call: CommandCall, reference: string) {
  try {
    return await parts.sessions.find(reference, { chosen: call.chosen })
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'not_found' || reference.startsWith('ses_')) throw error
  }
  return create(parts, call, readNew(reference))
}

async function showQr(parts: CommandParts, call: Asked, session: LiveSession): Promise<void> {
  const { id, name, status } = session
  if (status === 'connected') throw alreadyLinked(session)
  if (status === 'disconnected') {
    const why = session.reason ? ` ${explain(session.reason)}` : ''
    throw new AppError('not_ready', `${name} is linked and disconnected.${why}`)
  }
  if (status !== 'qr_pending' && status !== 'starting') await parts.gateway.change(id, 'start')
  await call.say(lines(rich`🔳 The QR code of <b>${name}</b> comes here.`, await linkLine(parts, id)))
  parts.audit.note('showQr', session, id)
  parts.qrPhotos.show(call.chatId, id)
}

/** The page shows the same code in a browser. Without the gateway there is none, and the photo is enough. */
async function linkLine({ gateway }: CommandParts, id: SessionId, tenantId?: TenantId) {
  try {
    return rich`Or scan it in a browser: <a href="${await gateway.link(id, tenantId)}">open the page</a>`
  } catch (error) {
    if (error instanceof AppError) return null
    throw error
  }
}

async function untilQr({ live }: CommandParts, id: SessionId, signal: AbortSignal): Promise<LiveSession> {
  const deadline = performance.now() + QR_WAIT_MS
  while (!signal.aborted && performance.now() < deadline) {
    const session = live.find(id)
    if (session?.status === 'qr_pending') return session
    if (session?.status === 'connected') throw alreadyLinked(session)
    await sleep(200, signal)
  }
  throw new AppError('timeout', 'The session did not get ready for a pairing code in time.')
}

function alreadyLinked({ name, phone }: { name: string; phone?: string | undefined }): AppError {
  return new AppError('conflict', `${name} is linked already${phone ? `, as +${phone}` : ''}.`)
}
