import { readFileSync } from 'node:fs'
import Router from '@koa/router'
import type { SessionId } from '../../proto/contract.js'
import { AppError, toAppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import type { OpenContext, OpenRouter, OpenState } from '../http/context.js'
import { statusOf } from '../http/error-middleware.js'
import { sendEvents, type StreamEvent } from '../http/event-stream.js'
import { handle } from '../http/operation.js'
import { followLinkPage, getLinkAsset, openLinkPage, startFromLinkPage } from './linking-operations.js'
import type { LinkTokens } from './link-tokens.js'
import type { QrImages } from './qr-image.js'
import type { Session } from './session.js'
import type { SessionLive } from './session-live.js'
import type { Sessions } from './sessions.js'

export interface LinkRoutesOptions {
  sessions: Sessions
  live: SessionLive
  images: QrImages
  links: LinkTokens
  clock: Clock
}

const asset = (name: string) => readFileSync(new URL(`./link-page/${name}`, import.meta.url))
const types: Record<string, string> = {
  'link.css': 'text/css',
  'link.js': 'text/javascript',
  'icon.svg': 'image/svg+xml',
}

/** What the page loads is its own; a picture may be a data URL, because the QR code is one. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

/** The page that a person with a phone opens. Its link is signed and short-lived, and opens one session only. */
export function linkRoutes({ sessions, live, images, links, clock }: LinkRoutesOptions): OpenRouter {
  const page = asset('link.html')
  const problemPage = asset('problem.html').toString('utf8')
  const assets = new Map(Object.keys(types).map((name) => [name, asset(name)]))
  const router = new Router<OpenState>()

  handle(router, getLinkAsset, (ctx, { params: { name } }) => {
    const file = assets.get(name)
    if (!file) throw new AppError('not_found', 'There is no such file.')
    ctx.type = types[name] ?? ''
    ctx.set('Cache-Control', 'public, max-age=300')
    ctx.body = file
  })

  handle(router, openLinkPage, async (ctx, { params }) => {
    ctx.type = 'text/html'
    ctx.set('Content-Security-Policy', policy)
    try {
      await opened(ctx, params)
      ctx.body = page
    } catch (thrown) {
      const error = toAppError(thrown)
      if (error.code === 'internal') throw thrown
      ctx.status = statusOf(error)
      ctx.body = problemPage.replace('{{problem}}', escapeHtml(error.message))
    }
  })

  handle(router, followLinkPage, async (ctx, { params }) => {
    const { session, expiresAt } = await opened(ctx, params)
    sendEvents(ctx, (signal) => pageEvents(session, expiresAt, signal))
  })

  // The button for a new code. The signature stands in the address, so no other site can press it.
  handle(router, startFromLinkPage, async (ctx, { params }) => {
    const { session } = await opened(ctx, params)
    if (session.status === 'connected') {
      throw new AppError('conflict', 'The number is linked already.', { reason: 'already_linked' })
    }
    await sessions.start(session, { restart: session.status === 'failed' })
    ctx.status = 204
  })

  async function opened(ctx: OpenContext, params: { session: string }) {
    const { id, expiresAt } = links.verify(params.session, ctx.query)
    return { session: await theSession(id), expiresAt }
  }

  async function theSession(id: SessionId): Promise<Session> {
    const session = await sessions.find(id)
    if (session && session.wanted !== 'deleted') return session
    throw new AppError('not_found', 'This session does not exist any more.', { reason: 'session_not_found' })
  }

  async function* pageEvents(session: Session, expiresAt: number, signal: AbortSignal): AsyncGenerator<StreamEvent> {
    const expired = new AbortController()
    const timer = setTimeout(() => expired.abort(), Math.max(0, expiresAt - clock()))
    try {
      const until = AbortSignal.any([signal, expired.signal])
      for await (const { qr, ...view } of live.views(session, until)) {
        const picture = qr && { image: await images.dataUrl(qr.text), expiresInMs: Math.max(0, qr.expiresAt - clock()) }
        yield { event: 'view', data: { name: session.name, ...view, ...picture } }
        if (view.status === 'connected') return
      }
      if (expired.signal.aborted) yield { event: 'expired', data: {} }
    } finally {
      clearTimeout(timer)
    }
  }

  return router
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)
}
