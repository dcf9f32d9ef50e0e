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
import type { GivenKey, IdempotencyKey } from '../idempotency/idempotency-key.js'
import type { Claim } from '../idempotency/idempotency-keys.js'
import { give, type KeyedRequests } from '../idempotency/keyed-requests.js'
import { isSettled, type Message } from './message.js'
import { MessageRequest } from './message-request.js'
import type { MessageViews } from './message-views.js'
import type { Caller, Messages } from './messages.js'
import { preferredWait } from './prefer.js'

export interface MessageParts {
  messages: Messages
  views: MessageViews
  keyed: KeyedRequests
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
  return { tenantId: ctx.state.tenantId, key: ctx.state.key, traceId: ctx.state.trace.id }
}

export function messageRoutes(parts: MessageParts): ApiRouter {
  const { messages, views, keyed } = parts
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  router.post('/sessions/:session/messages', allow('messages:send'), async (ctx) => {
    const key = keyed.keyOf(ctx, '/sessions/{session}/messages')
    const request = parse(MessageRequest, await readJson(ctx))
    const wait = preferredWait(ctx.get('Prefer'))
    await send(ctx, parts, ctx.params['session'] ?? '', request, { key, asked: request, wait })
    if (wait !== undefined) ctx.set('Preference-Applied', `wait=${wait}`)
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

export interface Sending {
  key?: GivenKey | undefined
  /** What the caller wrote, for the key's sake. */
  asked: unknown
  claim?: Claim | undefined
  /** The message is taken on, or was before. */
  onAccepted?: () => void
  /** Seconds. */
  wait: number | undefined
}

/** Takes a message on, once under its key, and answers when it is stored, or settled. */
export async function send(
  ctx: ApiContext,
  parts: MessageParts,
  session: string,
  request: MessageRequest,
  { key, asked, claim, onAccepted = () => undefined, wait }: Sending,
): Promise<void> {
  const { messages, views } = parts
  const caller = callerOf(ctx)
  if (!key) {
    const message = await messages.accept(caller, session, request)
    onAccepted()
    return answer(ctx, parts, message, wait)
  }
  const view = async (message: Message) => ({ ...accepted(message), body: await views.one(message) })
  const acceptance = await messages.acceptOnce(caller, session, request, { key, asked, claim, answer: view })
  onAccepted()
  if ('earlier' in acceptance) return answerAgain(ctx, parts, acceptance.earlier, wait)
  // The same words that are stored: an equal request is answered with them.
  if (wait === undefined) return give(ctx, acceptance.answer)
  return answer(ctx, parts, acceptance.message, wait)
}

/** What was answered first; who waits gets the message as it is now, because waiting is no part of what was asked. */
export async function answerAgain(
  ctx: ApiContext,
  parts: MessageParts,
  earlier: IdempotencyKey,
  wait: number | undefined,
): Promise<void> {
  if (wait !== undefined) await answer(ctx, parts, await parts.messages.get(callerOf(ctx), earlier.made ?? ''), wait)
  parts.keyed.replay(ctx, earlier)
}

function accepted({ id, status }: Message) {
  return { status: isSettled(status) ? 200 : 202, location: `/api/v1/messages/${id}` }
}

/** 200 once it is decided whether the message went out, 202 until then. */
async function answer(
  ctx: ApiContext,
  { messages, views }: MessageParts,
  stored: Message,
  wait: number | undefined,
): Promise<void> {
  const message = wait === undefined ? stored : await messages.settled(stored, wait * 1_000, ctx.state.stopping)
  const { status, location } = accepted(message)
  ctx.status = status
  ctx.set('Location', location)
  ctx.body = await views.one(message)
}

export async function listMessages(ctx: ApiContext, { messages, views }: Pick<MessageParts, 'messages' | 'views'>) {
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
