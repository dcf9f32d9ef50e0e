import Router from '@koa/router'
import type { SessionId, TenantId } from '../../proto/contract.js'
import { phoneDigits } from '../../proto/recipient.js'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { decodeCursor, page } from '../http/pagination.js'
import { parse, parseOptional } from '../http/parse.js'
import type { Claim, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { LinkTokens } from './link-tokens.js'
import type { Session } from './session.js'
import { AfterId, ChangeSession, CreateSession, ListSessions, Nothing, PairingCode } from './session-requests.js'
import type { NewSession, Sessions } from './sessions.js'

export interface SessionRoutesOptions {
  sessions: Sessions
  links: LinkTokens
  keyed: KeyedRequests
  keys: IdempotencyKeys
  /** How others reach the gateway. */
  publicUrl: () => string
}

/** As long as WhatsApp takes a pairing code. */
const CODE_MS = 160_000
const read = allow('sessions:read')
const write = allow('sessions:write')

/** The session that the path names, by id or name. */
export function sessionOf(
  ctx: ApiContext & { params: Record<string, string | undefined> },
  sessions: Sessions,
): Promise<Session> {
  return sessions.get(ctx.state.tenantId, ctx.params['session'] ?? '', ctx.state.key)
}

export function sessionRoutes({ sessions, links, publicUrl, keyed, keys }: SessionRoutesOptions): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1/sessions' })

  router.post('/', write, async (ctx) => {
    const key = keyed.keyOf(ctx, '/sessions')
    const wanted = parse(CreateSession, await readJson(ctx))
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

  router.get('/', read, async (ctx) => {
    const { limit, cursor, status } = parse(ListSessions, ctx.query)
    const [after] = cursor === undefined ? [undefined] : decodeCursor(AfterId, cursor)
    const rows = await sessions.list(ctx.state.tenantId, { status, key: ctx.state.key }, { limit: limit + 1, after })
    ctx.body = page(
      rows,
      limit,
      (row) => sessions.shown(row),
      ({ id }) => [id],
    )
  })

  router.get('/:session', read, async (ctx) => {
    ctx.body = sessions.shown(await sessionOf(ctx, sessions))
  })

  router.patch('/:session', write, async (ctx) => {
    const session = await sessionOf(ctx, sessions)
    const { pacing, metadata } = parse(ChangeSession, await readJson(ctx))
    const changed = await sessions.change(session, {
      ...(pacing === undefined ? {} : { pacing: { ...session.pacing, ...pacing } }),
      ...(metadata === undefined ? {} : { metadata }),
    })
    ctx.body = sessions.shown(changed)
  })

  router.delete('/:session', write, async (ctx) => {
    const session = await sessionOf(ctx, sessions)
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
  } satisfies Record<string, (session: Session) => Promise<Session>>
  for (const [name, act] of Object.entries(actions)) {
    router.post(`/:session/${name}`, write, async (ctx) => {
      const key = keyed.keyOf(ctx, `/sessions/{session}/${name}`)
      const asked = parseOptional(Nothing, await readJson(ctx))
      const session = await sessionOf(ctx, sessions)
      await keyed.once(ctx, key?.asks(asked, session.id), async () => {
        ctx.body = sessions.shown(await act(session))
      })
    })
  }

  router.post('/:session/pairing-code', write, async (ctx) => {
    const key = keyed.keyOf(ctx, '/sessions/{session}/pairing-code')
    const session = await sessionOf(ctx, sessions)
    const { phone } = parse(PairingCode, await readJson(ctx))
    const digits = phoneDigits(phone)
    const work = async () => {
      ctx.body = { code: await sessions.pairingCode(session, digits), phone: `+${digits}` }
    }
    await keyed.once(ctx, key?.asks({ phone: digits }, session.id), work, { keepMs: CODE_MS })
  })

  router.get('/:session/screenshot', write, async (ctx) => {
    const png = await sessions.screenshot(await sessionOf(ctx, sessions))
    ctx.type = 'image/png'
    ctx.body = png
  })

  router.post('/:session/link', write, async (ctx) => {
    parseOptional(Nothing, await readJson(ctx))
    const session = await sessionOf(ctx, sessions)
    const { path, expiresAt } = links.sign(session.id)
    ctx.body = { url: publicUrl() + path, expiresAt: new Date(expiresAt).toISOString() }
  })

  router.get('/:session/numbers/:phone', allow('messages:send'), async (ctx) => {
    const session = await sessionOf(ctx, sessions)
    const digits = phoneDigits(ctx.params['phone'] ?? '')
    const { onWhatsApp, chatId } = await sessions.checkNumber(session, digits)
    ctx.body = { phone: `+${digits}`, onWhatsapp: onWhatsApp, ...(onWhatsApp && chatId !== '' ? { chatId } : {}) }
  })

  return router
}
