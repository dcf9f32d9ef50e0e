/** Files: uploaded before they are sent, fetched whole or in part, deleted. */
import Router from '@koa/router'
import { z } from 'zod'
import { mediaLimits, type mediaTypes, type SessionId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { isId } from '../../runtime/ids.js'
import { mayUse } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState, OpenContext, OpenRouter, OpenState } from '../http/context.js'
import { type Form, readMultipart } from '../http/multipart.js'
import { handle, routeOf } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import { checkSame, type IdempotencyKey } from '../idempotency/idempotency-key.js'
import type { Claim, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import { giveFile } from './give-file.js'
import type { IncomingFile } from './incoming-file.js'
import type { IncomingFiles } from './incoming-files.js'
import type { Media } from './media.js'
import { tooLarge, unreadable } from './media-kind.js'
import type { MediaLinks } from './media-links.js'
import { deleteMedia, getMedia, listMedia, type ShownMedia, uploadMedia } from './media-operations.js'
import type { MediaRow } from './media-table.js'

const largest = Math.max(...Object.values(mediaLimits))
/** As long as the names of files are in messages. */
const MOST_NAME = 255
const AfterId = z.tuple([z.string().refine((text) => isId('med', text))])

export interface MediaRoutesOptions {
  media: Media
  incoming: IncomingFiles
  keyed: KeyedRequests
  keys: IdempotencyKeys
}

export function mediaRoutes({ media, incoming, keyed, keys }: MediaRoutesOptions): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, uploadMedia, async (ctx, { query: { type } }) => {
    const key = keyed.keyOf(ctx, routeOf(uploadMedia))
    const read = async () => {
      const { file } = await readUpload(ctx, { incoming, media, kind: type })
      if (!file) throw unreadable('There is no file in the field `file`.')
      const { filename, target } = file
      const { written } = target
      return { written, filename, request: key?.asks({ type, filename, sha256: written.sha256 }) }
    }
    const work = async (claim?: Claim) => {
      const { written, filename, request } = await read()
      const answered = (row: MediaRow) => {
        return { status: 201, location: `/api/v1/media/${row.id}`, body: presentMedia(row) }
      }
      const row = await media.keep({ tenantId: ctx.state.tenantId }, written, filename, async (tx, made) => {
        if (claim) await keys.settle(tx, claim, { made: made.id, answer: answered(made) }, request?.fingerprint)
      })
      const { status, location, body } = answered(row)
      ctx.status = status
      ctx.set('Location', location)
      ctx.body = body
    }
    // The file has to come again, too: only then it is known whether the same is asked.
    const replay = async (earlier: IdempotencyKey) => {
      const { written, request } = await read()
      await incoming.discard(written)
      if (request) checkSame(earlier, request)
    }
    await keyed.once(ctx, key?.asksLater(), work, { replay, keepsRefusals: false })
  })

  handle(router, listMedia, async (ctx, { query: { limit, cursor, direction } }) => {
    const before = cursor === undefined ? undefined : decodeCursor(AfterId, cursor)[0]
    const { sessions } = ctx.state.key
    const sessionIds = sessions.includes('*') ? undefined : (sessions as SessionId[])
    const rows = await media.list(ctx.state.tenantId, { direction, sessionIds }, { limit: limit + 1, before })
    ctx.body = page(rows, limit, presentMedia, ({ id }) => [id])
  })

  const rowOf = async (ctx: ApiContext, id: string) => {
    const row = await media.get(ctx.state.tenantId, id)
    if (!row.sessionId || mayUse(ctx.state.key, row.sessionId)) return row
    throw new AppError('not_found', 'There is no such file.', { reason: 'media_not_found' })
  }

  handle(router, getMedia, async (ctx, { params: { id } }) => {
    await giveFile(ctx, media, await rowOf(ctx, id))
  })

  handle(router, deleteMedia, async (ctx, { params: { id } }) => {
    await media.delete(await rowOf(ctx, id))
    ctx.status = 204
  })

  return router
}

/** Files by a URL that has its own signature: it needs no key, and opens one file for a while. */
export function signedMediaRoutes({ media, links }: { media: Media; links: MediaLinks }): OpenRouter {
  const router = new Router<OpenState>()
  router.get('/api/v1/media/:id', async (ctx, next) => {
    if (!isSignedMedia(ctx)) return next()
    const id = ctx.params['id'] ?? ''
    links.check(id, ctx.query)
    await giveFile(ctx, media, await media.getSigned(id))
  })
  return router
}

/** Whether a request brings a signature where others bring a key. */
export function isSignedMedia({ method, path, query }: Pick<OpenContext, 'method' | 'path' | 'query'>): boolean {
  return ['GET', 'HEAD'].includes(method) && path.startsWith('/api/v1/media/') && query['signature'] !== undefined
}

export interface UploadParts {
  incoming: IncomingFiles
  media: Media
  /** As what it will be sent; from the file unless given. */
  kind?: (typeof mediaTypes)[number] | undefined
}

/** A form with the file on its way to the disk; refused files are not kept. */
export async function readUpload(ctx: ApiContext, { incoming, media, kind }: UploadParts): Promise<Form<IncomingFile>> {
  await media.checkRoom(ctx.state.tenantId, 1)
  const form = await readMultipart(ctx, {
    maxBytes: largest,
    tooLarge: () => tooLarge(largest),
    open: ({ filename, mimetype }) => incoming.receive({ kind, filename, declared: mimetype }),
    discard: (file) => file.discard(),
  })
  if ((form.file?.filename?.length ?? 0) <= MOST_NAME) return form
  await form.file?.target.discard()
  throw new AppError('invalid', `filename: must have at most ${MOST_NAME} characters.`, { reason: 'invalid_request' })
}

function presentMedia({ id, mimetype, size, sha256, filename, direction, status, reason, createdAt }: MediaRow) {
  return {
    id: id as ShownMedia['id'],
    mimetype,
    size,
    sha256,
    ...(filename ? { filename } : {}),
    direction,
    ...(status === 'pending' ? { pending: true as const } : {}),
    ...(status === 'pending' && reason ? { pendingReason: reason } : {}),
    createdAt: createdAt.toISOString(),
  } satisfies ShownMedia
}
