/** What a person knows, or wants, of a message whose outcome is not known. */
import Router from '@koa/router'
import { z } from 'zod'
import type { Decision } from '../../proto/contract.js'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { parse, parseOptional } from '../http/parse.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import type { MessageDecisions } from './message-decisions.js'
import { callerOf } from './message-routes.js'
import type { MessageViews } from './message-views.js'
import type { Messages } from './messages.js'

const Nothing = z.strictObject({})
const Settle = z.strictObject({ status: z.enum(['sent', 'failed']) })

export interface DecisionParts {
  messages: Messages
  decisions: MessageDecisions
  views: MessageViews
  keyed: KeyedRequests
}

export function decisionRoutes({ messages, decisions, views, keyed }: DecisionParts): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  // Once under its key: asked again, a resend must not become another one when the first ended unknown, too.
  async function decide(ctx: ApiContext, route: string, decision: Decision): Promise<void> {
    const key = keyed.keyOf(ctx, route)
    const message = await messages.get(callerOf(ctx), ctx.params['id'] ?? '')
    await keyed.once(ctx, key?.asks(decision, message.id), async () => {
      await decisions.decide(message, decision)
      ctx.body = await views.one(await messages.get(callerOf(ctx), message.id))
    })
  }

  router.post('/messages/:id/resend', allow('messages:send'), async (ctx) => {
    parseOptional(Nothing, await readJson(ctx))
    await decide(ctx, '/messages/{id}/resend', 'resend')
  })

  router.post('/messages/:id/settle', allow('messages:send'), async (ctx) => {
    const { status } = parse(Settle, await readJson(ctx))
    await decide(ctx, '/messages/{id}/settle', status)
  })

  return router
}
