/** For people who have one number and want the answer at once. Thin: each does what the long path does. */
import Router from '@koa/router'
import type { MediaType } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { parse } from '../http/parse.js'
import type { Media } from '../media/media.js'
import { kindOf } from '../media/media-kind.js'
import type { MediaFiles } from '../media/media-files.js'
import { readUpload } from '../media/media-routes.js'
import { answer, callerOf, listMessages, type MessageParts } from './message-routes.js'
import { MessageRequest, type MessageRequestInput, SendMediaRequest, SendTextRequest } from './message-request.js'
import { preferredWait } from './prefer.js'

const WAIT_SECONDS = 30

export interface ShortMessageParts extends MessageParts {
  media: Media
  files: MediaFiles
}

export function shortMessageRoutes(parts: ShortMessageParts): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  router.post('/messages/send-text', allow('messages:send'), async (ctx) => {
    const { session, recipient, message, reference } = parse(SendTextRequest, await readJson(ctx))
    await send(ctx, parts, session, { to: recipient, type: 'text', text: { body: message }, reference })
  })

  router.post('/messages/send-media', allow('messages:send'), async (ctx) => {
    const { request, kind, id } = await keepMedia(ctx, parts)
    const { session, recipient, caption, reference } = request
    const file = { id, ...(caption === undefined ? {} : { caption }) }
    await send(ctx, parts, session, { to: recipient, type: kind, [kind]: file, reference } as MessageRequestInput)
  })

  router.get('/messages/list', allow('messages:read'), async (ctx) => {
    ctx.body = await listMessages(ctx, parts)
  })

  return router
}

async function send(ctx: ApiContext, { messages, views }: MessageParts, session: string, input: MessageRequestInput) {
  const accepted = await messages.accept(callerOf(ctx), session, parse(MessageRequest, input))
  const wait = preferredWait(ctx.get('Prefer')) ?? WAIT_SECONDS
  await answer(ctx, views, await messages.settled(accepted, wait * 1_000, ctx.state.stopping))
}

/** The file is sent as what it is unless the caller says: a picture as image, a film as video, the rest as document. */
async function keepMedia(ctx: ApiContext, { media, files }: ShortMessageParts) {
  const owner = { tenantId: ctx.state.tenantId }
  if (ctx.request.is('json', '+json')) {
    const request = parse(SendMediaRequest, await readJson(ctx))
    const { url, type, filename } = request
    if (url === undefined) throw noFile()
    const row = await media.keepUrl(owner, type, { url, filename })
    return { request, kind: type ?? kindOf(row.mimetype), id: row.id }
  }
  const { fields, file } = await readUpload(ctx, files)
  const checked = SendMediaRequest.safeParse(fields)
  if (!file || !checked.success) {
    if (file) await files.discard(file.target.written)
    const request = parse(SendMediaRequest, fields)
    if (request.url === undefined) throw noFile()
    const row = await media.keepUrl(owner, request.type, { url: request.url, filename: request.filename })
    return { request, kind: request.type ?? kindOf(row.mimetype), id: row.id }
  }
  const request = checked.data
  const row = await media.keep(owner, file.target.written, request.filename ?? file.filename)
  const kind: MediaType = request.type ?? kindOf(row.mimetype)
  return { request, kind, id: row.id }
}

function noFile(): AppError {
  return new AppError('unprocessable', 'Send the file in the field `file`, or its address in `url`.', {
    reason: 'media_unreadable',
  })
}
