/** What a person knows, or wants, of a message whose outcome is not known. */
import Router from '@koa/router'
import { z } from 'zod'
import type { Decision } from '../../proto/contract.js'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { parse, parseOptional } from '../http/parse.js'
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
}

export function decisionRoutes({ messages, decisions, views }: DecisionParts): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  async function decide(ctx: ApiContext, decision: Decision): Promise<void> {
    const id = ctx.params['id'] ?? ''
    await decisions.decide(await messages.get(callerOf(ctx), id), decision)
    ctx.body = await views.one(await messages.get(callerOf(ctx), id))
  }

  router.post('/messages/:id/resend', allow('messages:send'), async (ctx) => {
    parseOptional(Nothing, await readJson(ctx))
    await decide(ctx, 'resend')
  })

  router.post('/messages/:id/settle', allow('messages:send'), async (ctx) => {
    const { status } = parse(Settle, await readJson(ctx))
    await decide(ctx, status)
  })

  return router
}
