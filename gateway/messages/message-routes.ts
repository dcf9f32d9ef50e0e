/** Messages: sent, listed, taken back. */
import Router from '@koa/router'
import { z } from 'zod'
import { messageStatuses } from '../../proto/contract.js'
import { parseRecipient } from '../../proto/recipient.js'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { decodeCursor, page, pageFields } from '../http/pagination.js'
import { parse } from '../http/parse.js'
import { isSettled, type Message } from './message.js'
import { MessageRequest } from './message-request.js'
import type { MessageViews } from './message-views.js'
import type { Caller, Messages } from './messages.js'
import { preferredWait } from './prefer.js'

export interface MessageParts {
  messages: Messages
  views: MessageViews
}

const contentTypes = [
  'text',
  'image',
  'video',
  'audio',
  'voice',
  'document',
  'sticker',
  'location',
  'contacts',
  'poll',
  'reaction',
  'unsupported',
] as const
const moment = z.iso.datetime({ offset: true, error: 'must be a time such as 2026-01-31T12:00:00Z' })
const toMs = moment.transform((text) => Date.parse(text))

const ListQuery = z.object({
  ...pageFields,
  session: z.string().min(1).max(64).optional(),
  chatId: z.string().min(1).max(128).optional(),
  direction: z.enum(['in', 'out']).optional(),
  status: z.enum(messageStatuses).optional(),
  type: z.enum(contentTypes).optional(),
  since: toMs.optional(),
  until: toMs.optional(),
})
const Position = z.tuple([z.number().int().positive()])

export function callerOf(ctx: ApiContext): Caller {
  return { tenantId: ctx.state.tenantId, key: ctx.state.key }
}

export function messageRoutes({ messages, views }: MessageParts): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  router.post('/sessions/:session/messages', allow('messages:send'), async (ctx) => {
    const request = parse(MessageRequest, await readJson(ctx))
    const accepted = await messages.accept(callerOf(ctx), ctx.params['session'] ?? '', request)
    const wait = preferredWait(ctx.get('Prefer'))
    if (wait !== undefined) ctx.set('Preference-Applied', `wait=${wait}`)
    await answer(
      ctx,
      views,
      wait === undefined ? accepted : await messages.settled(accepted, wait * 1_000, ctx.state.stopping),
    )
  })

  router.get('/messages', allow('messages:read'), async (ctx) => {
    ctx.body = await listMessages(ctx, { messages, views })
  })

  router.get('/messages/:id', allow('messages:read'), async (ctx) => {
    const message = await messages.get(callerOf(ctx), ctx.params['id'] ?? '')
    ctx.body = await views.one(message, await messages.history(message))
  })

  router.delete('/messages/:id', allow('messages:send'), async (ctx) => {
    ctx.body = await views.one(await messages.cancel(callerOf(ctx), ctx.params['id'] ?? ''))
  })

  return router
}

/** 200 once it is decided whether the message went out, 202 until then. */
export async function answer(ctx: ApiContext, views: MessageViews, message: Message): Promise<void> {
  ctx.status = isSettled(message.status) ? 200 : 202
  ctx.set('Location', `/api/v1/messages/${message.id}`)
  ctx.body = await views.one(message)
}

export async function listMessages(ctx: ApiContext, { messages, views }: MessageParts) {
  const { limit, cursor, chatId, ...filter } = parse(ListQuery, ctx.query)
  const before = cursor === undefined ? undefined : decodeCursor(Position, cursor)[0]
  const rows = await messages.list(
    callerOf(ctx),
    { ...filter, chatId: chatId === undefined ? undefined : parseRecipient(chatId).chatId },
    { limit: limit + 1, before },
  )
  const shown = await views.all(rows.map(({ message }) => message))
  const both = rows.map(({ position }, index) => ({ position, view: shown[index] }))
  return page(
    both,
    limit,
    ({ view }) => view,
    ({ position }) => [position],
  )
}
