/** For people who have one number and want the answer at once. Thin: each does what the long path does. */
import Router from '@koa/router'
import type { MediaType } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { readJson } from '../http/json-body.js'
import { handle, routeOf } from '../http/operation.js'
import { parse } from '../http/parse.js'
import { checkSame, type IdempotencyKey, mayHaveActed } from '../idempotency/idempotency-key.js'
import type { Claim } from '../idempotency/idempotency-keys.js'
import type { WrittenFile } from '../media/incoming-file.js'
import type { Media } from '../media/media.js'
import { kindOf } from '../media/media-kind.js'
import type { IncomingFiles } from '../media/incoming-files.js'
import { readUpload } from '../media/media-routes.js'
import { answerAgain, callerOf, pageOfMessages, type MessageParts, send } from './message-routes.js'
import { MessageRequest, type MessageRequestInput, SendMediaRequest } from './message-request.js'
import { preferredWait } from './prefer.js'
import { listMessagesShort, sendMedia, sendText } from './short-message-operations.js'

const WAIT_SECONDS = 30

export interface ShortMessageParts extends MessageParts {
  media: Media
  incoming: IncomingFiles
}

export function shortMessageRoutes(parts: ShortMessageParts): ApiRouter {
  const { keyed, messages, incoming } = parts
  const router = new Router<ApiState>()

  handle(router, sendText, async (ctx, { body: asked }) => {
    const key = keyed.keyOf(ctx, routeOf(sendText))
    const { session, recipient, message, reference } = asked
    const input: MessageRequestInput = { to: recipient, type: 'text', text: { body: message }, reference }
    await send(ctx, parts, session, parse(MessageRequest, input), { key, asked, wait: waitOf(ctx) })
  })

  handle(router, sendMedia, async (ctx) => {
    const key = keyed.keyOf(ctx, routeOf(sendMedia))
    const wait = waitOf(ctx)
    const work = async (claim?: Claim) => {
      const given = await readMedia(ctx, parts)
      const { session, recipient, caption, reference } = given.request
      // Before its file is fetched and kept: who may not send has nothing fetched.
      await messages.session(callerOf(ctx), session).catch(async (error: unknown) => {
        if (given.file) await incoming.discard(given.file)
        throw error
      })
      const { kind, id } = await keepMedia(ctx, parts, given)
      const file = { id, ...(caption === undefined ? {} : { caption }) }
      const input = { to: recipient, type: kind, [kind]: file, reference } as MessageRequestInput
      let taken = false
      const onAccepted = () => (taken = true)
      try {
        const request = parse(MessageRequest, input)
        await send(ctx, parts, session, request, { key, claim, asked: askedOf(given), onAccepted, wait })
      } catch (error) {
        // Refused for certain: nobody will ask for this file.
        if (!taken && !mayHaveActed(error)) await parts.media.forget(id)
        throw error
      }
    }
    // The file has to come again, too: only then it is known whether the same is asked.
    const replay = async (earlier: IdempotencyKey) => {
      const given = await readMedia(ctx, parts)
      if (given.file) await incoming.discard(given.file)
      const session = await messages.session(callerOf(ctx), given.request.session)
      if (key) checkSame(earlier, key.asks(askedOf(given), session.id))
      await answerAgain(ctx, parts, earlier, wait)
    }
    await keyed.once(ctx, key?.asksLater(), work, { replay, keepsRefusals: false })
  })

  handle(router, listMessagesShort, async (ctx, { query }) => {
    ctx.body = await pageOfMessages(ctx, query, parts)
  })

  return router
}

const waitOf = (ctx: ApiContext) => preferredWait(ctx.get('Prefer')) ?? WAIT_SECONDS

interface GivenMedia {
  request: SendMediaRequest
  file?: WrittenFile
  filename?: string | undefined
}

const askedOf = ({ request, file }: GivenMedia) => ({ ...request, sha256: file?.sha256 })

/** What is asked, with its file if that came along. Throws `unprocessable` when there is neither file nor address. */
async function readMedia(ctx: ApiContext, { incoming, media }: ShortMessageParts): Promise<GivenMedia> {
  if (ctx.request.is('json', '+json')) {
    const request = parse(SendMediaRequest, await readJson(ctx))
    if (request.url === undefined) throw noFile()
    return { request }
  }
  const { fields, file } = await readUpload(ctx, { incoming, media })
  const checked = SendMediaRequest.safeParse(fields)
  if (checked.success && file) {
    const { written } = file.target
    return { request: checked.data, file: written, filename: checked.data.filename ?? file.filename }
  }
  if (file) await incoming.discard(file.target.written)
  const request = parse(SendMediaRequest, fields)
  if (request.url === undefined) throw noFile()
  return { request }
}

/** The file is sent as what it is unless the caller says: a picture as image, a film as video, the rest as document. */
async function keepMedia(ctx: ApiContext, { media }: ShortMessageParts, { request, file, filename }: GivenMedia) {
  const owner = { tenantId: ctx.state.tenantId }
  const row = file
    ? await media.keep(owner, file, filename)
    : await media.keepUrl(owner, request.type, { url: request.url ?? '', filename: request.filename })
  const kind: MediaType = request.type ?? kindOf(row.mimetype)
  return { kind, id: row.id }
}

function noFile(): AppError {
  return new AppError('unprocessable', 'Send the file in the field `file`, or its address in `url`.', {
    reason: 'media_unreadable',
  })
}
