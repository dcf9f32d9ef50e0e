import Router from '@koa/router'
import { mediaOf } from '../../proto/contract.js'
import { contentToProto } from '../../proto/mapping.js'
import { AppError } from '../../runtime/app-error.js'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { parse, parseOptional } from '../http/parse.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import { receivedOf, SandboxDisconnect, SandboxPair, SandboxReceive } from './sandbox-requests.js'
import type { Session } from './session.js'
import type { SessionNode } from './session-node.js'
import { Nothing } from './session-requests.js'
import { sessionOf } from './session-routes.js'
import type { Sessions } from './sessions.js'

export interface SandboxRoutesOptions {
  sessions: Sessions
  node: SessionNode
  keyed: KeyedRequests
}

/** A sandbox session's phone and contacts, for tests of integrators. 501 for sessions that are real. */
export function sandboxRoutes({ sessions, node, keyed }: SandboxRoutesOptions): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1/sessions/:session/sandbox' })
  router.use(allow('sessions:write'))

  router.post('/pair', async (ctx) => {
    const session = await sandboxOf(ctx)
    const { phone } = parseOptional(SandboxPair, await readJson(ctx))
    const { id: sessionId } = session
    await client(session).call('DriveSandbox', {
      sessionId,
      pair: { phone: phone ?? session.sandbox?.phone ?? DEFAULT_PHONE },
    })
    ctx.status = 204
  })

  router.post('/receive', async (ctx) => {
    const session = await sandboxOf(ctx)
    const key = keyed.keyOf(ctx, '/sessions/{session}/sandbox/receive')
    const asked = parse(SandboxReceive, await readJson(ctx))
    const { content, file, ...who } = receivedOf(asked)
    const media = mediaOf(content)
    await keyed.once(ctx, key?.asks(asked, session.id), async () => {
      if (media && file) {
        const { sha256, size, mimetype } = media
        await client(session).uploadMedia({ sha256, size, mimetype }, pieces(file))
      }
      const { from, fromName = '', chatId = '', replyTo = '' } = who
      const answer = await client(session).call('DriveSandbox', {
        sessionId: session.id,
        receive: { from, fromName, chatId, replyTo, content: contentToProto(content) },
      })
      ctx.status = 201
      ctx.body = { waMessageId: answer.waMessageId }
    })
  })

  router.post('/logout', async (ctx) => {
    const session = await sandboxOf(ctx)
    parseOptional(Nothing, await readJson(ctx))
    await client(session).call('DriveSandbox', { sessionId: session.id, logout: {} })
    ctx.status = 204
  })

  router.post('/disconnect', async (ctx) => {
    const session = await sandboxOf(ctx)
    const { forMs } = parseOptional(SandboxDisconnect, await readJson(ctx))
    await client(session).call('DriveSandbox', { sessionId: session.id, disconnect: { forMs } })
    ctx.status = 204
  })

  async function sandboxOf(ctx: ApiContext & { params: Record<string, string> }): Promise<Session> {
    const session = await sessionOf(ctx, sessions)
    if (session.engine === 'sandbox') return session
    throw new AppError('not_supported', `The session ${session.name} is a real one, not a sandbox.`, {
      reason: 'not_a_sandbox',
    })
  }

  const client = ({ nodeId }: Session) => node.client(nodeId)

  return router
}

/** Who pairs when nobody says: a number of a range kept free for fiction. */
const DEFAULT_PHONE = '15550100'

async function* pieces(file: Buffer): AsyncGenerator<Buffer> {
  yield file
}
