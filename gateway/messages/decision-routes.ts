/** What a person knows, or wants, of a message whose outcome is not known. */
import Router from '@koa/router'
import type { Decision } from '../../proto/contract.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { handle, type Operation, routeOf } from '../http/operation.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { MessageDecisions } from './message-decisions.js'
import { resendMessage, settleMessage } from './message-operations.js'
import { callerOf } from './message-routes.js'
import type { MessageViews } from './message-views.js'
import type { Messages } from './messages.js'

export interface DecisionParts {
  messages: Messages
  decisions: MessageDecisions
  views: MessageViews
  keyed: KeyedRequests
}

export function decisionRoutes({ messages, decisions, views, keyed }: DecisionParts): ApiRouter {
  const router = new Router<ApiState>()

  // Once under its key: asked again, a resend must not become another one when the first ended unknown, too.
  async function decide(ctx: ApiContext, op: Operation, id: string, decision: Decision): Promise<void> {
    const key = keyed.keyOf(ctx, routeOf(op))
    const message = await messages.get(callerOf(ctx), id)
    await keyed.once(ctx, key?.asks(decision, message.id), async () => {
      await decisions.decide(message, decision)
      ctx.body = await views.one(await messages.get(callerOf(ctx), message.id))
    })
  }

  handle(router, resendMessage, (ctx, { params }) => decide(ctx, resendMessage, params.id, 'resend'))
  handle(router, settleMessage, (ctx, { params, body }) => decide(ctx, settleMessage, params.id, body.status))

  return router
}
