import Router from '@koa/router'
import type { ApiRouter, ApiState } from '../http/context.js'
import { sendEvents, type StreamEvent } from '../http/event-stream.js'
import { handle } from '../http/operation.js'
import { getQr, type ShownQr } from './linking-operations.js'
import type { QrImages } from './qr-image.js'
import type { Session } from './session.js'
import { type LinkView, noQr, type SessionLive } from './session-live.js'
import { sessionOf } from './session-routes.js'
import type { Sessions } from './sessions.js'

export interface QrRoutesOptions {
  sessions: Sessions
  live: SessionLive
  images: QrImages
}

/** A session that is just starting shows its QR a few seconds later. */
const WAIT_MS = 15_000

export async function shownQr({ text, expiresAt }: NonNullable<LinkView['qr']>, images: QrImages): Promise<ShownQr> {
  return { qr: text, image: await images.dataUrl(text), expiresAt: new Date(expiresAt).toISOString() }
}

export function qrRoutes({ sessions, live, images }: QrRoutesOptions): ApiRouter {
  const router = new Router<ApiState>()

  // Who has the QR code can link the session: reading it takes the right to change it.
  handle(router, getQr, async (ctx, { params }) => {
    const session = await sessionOf(ctx, sessions, params)
    const type = ctx.accepts('application/json', 'image/png', 'image/svg+xml', 'text/event-stream')
    if (type === 'text/event-stream') return sendEvents(ctx, (signal) => qrEvents(session, signal))
    const view = await live.settledView(session, WAIT_MS)
    if (!view?.qr) throw noQr(session, view)
    if (type === 'image/png' || type === 'image/svg+xml') {
      ctx.set('Expires', new Date(view.qr.expiresAt).toUTCString())
      ctx.type = type
      ctx.body = await (type === 'image/png' ? images.png(view.qr.text) : images.svg(view.qr.text))
    } else ctx.body = await shownQr(view.qr, images)
  })

  /** `status` whenever it changes, `qr` for each new code. Ends once the number is linked. */
  async function* qrEvents(session: Session, signal: AbortSignal): AsyncGenerator<StreamEvent> {
    let status = ''
    let qr = ''
    for await (const view of live.views(session, signal)) {
      const { qr: shown, ...state } = view
      const said = JSON.stringify(state)
      if (said !== status) yield { event: 'status', data: state }
      status = said
      if (shown && shown.text !== qr) yield { event: 'qr', data: await shownQr(shown, images) }
      qr = shown?.text ?? ''
      if (view.status === 'connected') return
    }
  }

  return router
}
