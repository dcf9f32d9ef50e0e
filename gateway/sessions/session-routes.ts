import Router from '@koa/router'
import type { SessionId, TenantId } from '../../proto/contract.js'
import { phoneDigits } from '../../proto/recipient.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { handle, routeOf } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import type { Claim, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { LinkTokens } from './link-tokens.js'
import { createLink, createPairingCode } from './linking-operations.js'
import type { Session } from './session.js'
import {
  changeSession,
  checkNumber,
  createSession,
  deleteSession,
  getScreenshot,
  getSession,
  listSessions,
  sessionActions,
} from './session-operations.js'
import type { SessionQuestions } from './session-questions.js'
import { AfterId } from './session-requests.js'
import type { NewSession, Sessions } from './sessions.js'

export interface SessionRoutesOptions {
  sessions: Sessions
  questions: SessionQuestions
  links: LinkTokens
  keyed: KeyedRequests
  keys: IdempotencyKeys
  /** How others reach the gateway. */
  publicUrl: () => string
}

/** As long as WhatsApp takes a pairing code. */
const CODE_MS = 160_000

/** The session that the path names, by id or name. */
export async function sessionOf(
  ctx: ApiContext,
  sessions: Sessions,
  { session: ref }: { session: string },
): Promise<Session> {
  const session = await sessions.get(ctx.state.tenantId, ref, ctx.state.key)
  ctx.state.subject = session.id
  return session
}

export function sessionRoutes({ sessions, questions, links, publicUrl, keyed, keys }: SessionRoutesOptions): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, createSession, async (ctx, { body: wanted }) => {
    const key = keyed.keyOf(ctx, routeOf(createSession))
    await keyed.once(ctx, key?.asks(wanted), async (claim) => {
      const session = await created(ctx.state.tenantId, wanted, claim)
      ctx.status = 201
      ctx.set('Location', `/api/v1/sessions/${session.id}`)
      ctx.body = sessions.shown(session)
    })
  })

  async function created(tenantId: TenantId, wanted: NewSession, claim: Claim | undefined): Promise<Session> {
    // A gateway that died before it could answer has made it already.
    const made = claim?.made === undefined ? null : await sessions.find(claim.made as SessionId)
    if (made && made.wanted !== 'deleted') return sessions.begin(made)
    return sessions.create(tenantId, wanted, async (tx, { id }) => {
      if (claim) await keys.note(tx, claim, id)
    })
  }

  handle(router, listSessions, async (ctx, { query: { limit, cursor, status } }) => {
    const [after] = cursor === undefined ? [undefined] : decodeCursor(AfterId, cursor)
    const rows = await sessions.list(ctx.state.tenantId, { status, key: ctx.state.key }, { limit: limit + 1, after })
    ctx.body = page(
      rows,
      limit,
      (row) => sessions.shown(row),
      ({ id }) => [id],
    )
  })

  handle(router, getSession, async (ctx, { params }) => {
    ctx.body = sessions.shown(await sessionOf(ctx, sessions, params))
  })

  handle(router, changeSession, async (ctx, { params, body: { pacing, metadata } }) => {
    const session = await sessionOf(ctx, sessions, params)
    const changed = await sessions.change(session, {
      ...(pacing === undefined ? {} : { pacing: { ...session.pacing, ...pacing } }),
      ...(metadata === undefined ? {} : { metadata }),
    })
    ctx.body = sessions.shown(changed)
  })

  handle(router, deleteSession, async (ctx, { params }) => {
    const session = await sessionOf(ctx, sessions, params)
    if (await sessions.delete(session)) ctx.status = 204
    else {
      ctx.status = 202
      ctx.body = sessions.shown({ ...session, wanted: 'deleted' })
    }
  })

  const actions = {
    start: (session) => sessions.start(session),
    restart: (session) => sessions.start(session, { restart: true }),
    stop: (session) => sessions.stop(session),
    logout: (session) => sessions.logout(session),
  } satisfies Record<keyof typeof sessionActions, (session: Session) => Promise<Session>>
  for (const name of Object.keys(actions) as (keyof typeof actions)[]) {
    const act: (session: Session) => Promise<Session> = actions[name]
    handle(router, sessionActions[name], async (ctx, { params, body: asked }) => {
      const key = keyed.keyOf(ctx, routeOf(sessionActions[name]))
      const session = await sessionOf(ctx, sessions, params)
      await keyed.once(ctx, key?.asks(asked, session.id), async () => {
        ctx.body = sessions.shown(await act(session))
      })
    })
  }

  handle(router, createPairingCode, async (ctx, { params, body }) => {
    const key = keyed.keyOf(ctx, routeOf(createPairingCode))
    const session = await sessionOf(ctx, sessions, params)
    const digits = phoneDigits(body.phone)
    const work = async () => {
      ctx.body = { code: await questions.pairingCode(session, digits), phone: `+${digits}` }
    }
    await keyed.once(ctx, key?.asks({ phone: digits }, session.id), work, { keepMs: CODE_MS })
  })

  handle(router, getScreenshot, async (ctx, { params }) => {
    const png = await questions.screenshot(await sessionOf(ctx, sessions, params))
    ctx.type = 'image/png'
    ctx.body = png
  })

  handle(router, createLink, async (ctx, { params }) => {
    const session = await sessionOf(ctx, sessions, params)
    const { path, expiresAt } = links.sign(session.id)
    ctx.body = { url: publicUrl() + path, expiresAt: new Date(expiresAt).toISOString() }
  })

  handle(router, checkNumber, async (ctx, { params }) => {
    const session = await sessionOf(ctx, sessions, params)
    const digits = phoneDigits(params.phone)
    const { onWhatsApp, chatId } = await questions.checkNumber(session, digits)
    ctx.body = { phone: `+${digits}`, onWhatsapp: onWhatsApp, ...(onWhatsApp && chatId !== '' ? { chatId } : {}) }
  })

  return router
}
