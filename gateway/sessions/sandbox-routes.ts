import { randomBytes } from 'node:crypto'
import Router from '@koa/router'
import { mediaOf } from '../../proto/contract.js'
import { contentToProto } from '../../proto/mapping.js'
import { AppError } from '../../runtime/app-error.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { handle, routeOf } from '../http/operation.js'
import type { Claim, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import { disconnectSandbox, logOutSandbox, pairSandbox, receiveInSandbox } from './sandbox-operations.js'
import { receivedOf } from './sandbox-requests.js'
import type { Session } from './session.js'
import type { SessionNode } from './session-node.js'
import { sessionOf } from './session-routes.js'
import type { Sessions } from './sessions.js'

export interface SandboxRoutesOptions {
  sessions: Sessions
  node: SessionNode
  keyed: KeyedRequests
  keys: Pick<IdempotencyKeys, 'noteNow'>
}

/** A sandbox session's phone and contacts, for tests of integrators. 501 for sessions that are real. */
export function sandboxRoutes({ sessions, node, keyed, keys }: SandboxRoutesOptions): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, pairSandbox, async (ctx, { params, body: { phone } }) => {
    const session = await sandboxOf(ctx, params)
    const { id: sessionId } = session
    await client(session).call('DriveSandbox', {
      sessionId,
      pair: { phone: phone ?? session.sandbox?.phone ?? DEFAULT_PHONE },
    })
    ctx.status = 204
  })

  handle(router, receiveInSandbox, async (ctx, { params, body: asked }) => {
    const session = await sandboxOf(ctx, params)
    const key = keyed.keyOf(ctx, routeOf(receiveInSandbox))
    const { content, file, ...who } = receivedOf(asked)
    const media = mediaOf(content)
    await keyed.once(ctx, key?.asks(asked, session.id), async (claim) => {
      const waMessageId = await arrivesAs(claim)
      if (media && file) {
        const { sha256, size, mimetype } = media
        await client(session).uploadMedia({ sha256, size, mimetype }, pieces(file))
      }
      const { from, fromName = '', chatId = '', replyTo = '' } = who
      const answer = await client(session).call('DriveSandbox', {
        sessionId: session.id,
        receive: { from, fromName, chatId, replyTo, content: contentToProto(content), waMessageId },
      })
      ctx.status = 201
      ctx.body = { waMessageId: answer.waMessageId }
    })
  })

  handle(router, logOutSandbox, async (ctx, { params }) => {
    const session = await sandboxOf(ctx, params)
    await client(session).call('DriveSandbox', { sessionId: session.id, logout: {} })
    ctx.status = 204
  })

  handle(router, disconnectSandbox, async (ctx, { params, body: { forMs } }) => {
    const session = await sandboxOf(ctx, params)
    await client(session).call('DriveSandbox', { sessionId: session.id, disconnect: { forMs } })
    ctx.status = 204
  })

  async function sandboxOf(ctx: ApiContext, params: { session: string }): Promise<Session> {
    const session = await sessionOf(ctx, sessions, params)
    if (session.engine === 'sandbox') return session
    throw new AppError('not_supported', `The session ${session.name} is a real one, not a sandbox.`, {
      reason: 'not_a_sandbox',
    })
  }

  /** Asked once more because no answer came, it has arrived already if it did the first time. */
  async function arrivesAs(claim: Claim | undefined): Promise<string> {
    if (!claim) return ''
    const id = claim.made ?? randomBytes(16).toString('hex').toUpperCase()
    if (!claim.made) await keys.noteNow(claim, id)
    return id
  }

  const client = ({ nodeId }: Session) => node.client(nodeId)

  return router
}

/** Who pairs when nobody says: a number of a range kept free for fiction. */
const DEFAULT_PHONE = '15550100'

async function* pieces(file: Buffer): AsyncGenerator<Buffer> {
  yield file
}
