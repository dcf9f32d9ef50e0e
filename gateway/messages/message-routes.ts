/** Messages: sent, listed, taken back. */
import Router from '@koa/router'
import { z } from 'zod'
import { parseRecipient } from '../../proto/recipient.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { handle, routeOf } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import type { GivenKey, IdempotencyKey } from '../idempotency/idempotency-key.js'
import type { Claim } from '../idempotency/idempotency-keys.js'
import { give, type KeyedRequests } from '../idempotency/keyed-requests.js'
import { isSettled, type Message } from './message.js'
import { cancelMessage, getMessage, listMessages, sendMessage } from './message-operations.js'
import type { ListMessages, MessageRequest } from './message-request.js'
import type { MessageViews } from './message-views.js'
import type { Caller, Messages } from './messages.js'
import { preferredWait } from './prefer.js'

export interface MessageParts {
  messages: Messages
  views: MessageViews
  keyed: KeyedRequests
}

const Position = z.tuple([z.number().int().positive()])

export function callerOf(ctx: ApiContext): Caller {
  return { tenantId: ctx.state.tenantId, key: ctx.state.key, traceId: ctx.state.trace.id }
}

export function messageRoutes(parts: MessageParts): ApiRouter {
  const { messages, views, keyed } = parts
  const router = new Router<ApiState>()

  handle(router, sendMessage, async (ctx, { params, body: request }) => {
    const key = keyed.keyOf(ctx, routeOf(sendMessage))
    const wait = preferredWait(ctx.get('Prefer'))
    await send(ctx, parts, params.session, request, { key, asked: request, wait })
    if (wait !== undefined) ctx.set('Preference-Applied', `wait=${wait}`)
  })

  handle(router, listMessages, async (ctx, { query }) => {
    ctx.body = await pageOfMessages(ctx, query, { messages, views })
  })

  handle(router, getMessage, async (ctx, { params }) => {
    const message = await messages.get(callerOf(ctx), params.id)
    ctx.body = await views.one(message, await messages.history(message))
  })

  handle(router, cancelMessage, async (ctx, { params }) => {
    ctx.body = await views.one(await messages.cancel(callerOf(ctx), params.id))
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

export async function pageOfMessages(
  ctx: ApiContext,
  { limit, cursor, chatId, ...filter }: z.output<typeof ListMessages>,
  { messages, views }: Pick<MessageParts, 'messages' | 'views'>,
) {
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
