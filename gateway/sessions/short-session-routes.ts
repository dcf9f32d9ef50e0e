import Router from '@koa/router'
import { AppError } from '../../runtime/app-error.js'
import type { ApiRouter, ApiState } from '../http/context.js'
import { handle, routeOf } from '../http/operation.js'
import { parse } from '../http/parse.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { QrImages } from './qr-image.js'
import { shownQr } from './qr-routes.js'
import { isSessionId, type Session } from './session.js'
import type { SessionLive } from './session-live.js'
import { CreateSession } from './session-requests.js'
import type { Sessions } from './sessions.js'
import { disconnectSession, getSessionShort, initSession } from './short-session-operations.js'

/** Starting a real browser takes its time. */
const WAIT_MS = 60_000

/** For people who have one number and want the answer at once. Each calls what the long path calls. */
export function shortSessionRoutes({
  sessions,
  live,
  images,
  keyed,
}: {
  sessions: Sessions
  live: SessionLive
  images: QrImages
  keyed: KeyedRequests
}): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, initSession, async (ctx, { body: asked }) => {
    const given = keyed.keyOf(ctx, routeOf(initSession))
    const { session: ref, engine } = asked
    const { tenantId, key } = ctx.state
    const work = async () => {
      const known = await sessions.get(tenantId, ref, key).catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'not_found' && !isSessionId(ref)) return undefined
        throw error
      })
      const session = known
        ? await sessions.start(known)
        : await sessions.create(tenantId, parse(CreateSession, { name: ref, engine }))
      ctx.body = { session: sessions.shown(session) }
    }
    // What is kept under a key is that it was started: QR codes are live only, and none is stored.
    await keyed.once(ctx, given?.asks(asked), work)
    const session = await sessions.get(tenantId, ref, key)
    ctx.state.subject = session.id
    ctx.body = await withQr(session)
  })

  handle(router, getSessionShort, async (ctx, { query }) => {
    ctx.body = sessions.shown(await sessions.get(ctx.state.tenantId, query.session, ctx.state.key))
  })

  // The link stays: `init` brings the session back without a new QR.
  handle(router, disconnectSession, async (ctx, { body: asked }) => {
    const key = keyed.keyOf(ctx, routeOf(disconnectSession))
    const session = await sessions.get(ctx.state.tenantId, asked.session, ctx.state.key)
    await keyed.once(ctx, key?.asks(asked, session.id), async () => {
      ctx.body = sessions.shown(await sessions.stop(session))
    })
  })

  /** The session with its QR, once there is one; without when it needs none, or is still starting at the limit. */
  async function withQr(session: Session) {
    const view = await live.settledView(session, WAIT_MS)
    const shown = sessions.shown(session)
    if (!view) return { session: shown }
    const { qr, ...state } = view
    return { session: { ...shown, ...state }, ...(qr ? await shownQr(qr, images) : {}) }
  }

  return router
}
