/** Files: uploaded before they are sent, and fetched, whole or in part. */
import Router from '@koa/router'
import { z } from 'zod'
import { mediaLimits, mediaTypes } from '../../proto/contract.js'
import { allow } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState, OpenContext, OpenRouter, OpenState } from '../http/context.js'
import { type Form, readMultipart } from '../http/multipart.js'
import { parse } from '../http/parse.js'
import { checkSame, type IdempotencyKey } from '../idempotency/idempotency-key.js'
import type { Claim, IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import { mayUse } from '../http/authenticate.js'
import { AppError } from '../../runtime/app-error.js'
import type { IncomingFile } from './incoming-file.js'
import type { Media } from './media.js'
import { tooLarge, unreadable } from './media-kind.js'
import type { MediaLinks } from './media-links.js'
import type { MediaFiles } from './media-files.js'
import type { MediaRow } from './media-table.js'

const largest = Math.max(...Object.values(mediaLimits))
const UploadQuery = z.object({ type: z.enum(mediaTypes).optional() })

export interface MediaRoutesOptions {
  media: Media
  files: MediaFiles
  keyed: KeyedRequests
  keys: IdempotencyKeys
}

export function mediaRoutes({ media, files, keyed, keys }: MediaRoutesOptions): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })

  router.post('/media', allow('messages:send'), async (ctx) => {
    const key = keyed.keyOf(ctx, '/media')
    const { type } = parse(UploadQuery, ctx.query)
    const read = async () => {
      const { file } = await readUpload(ctx, files, type)
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
      await files.discard(written)
      if (request) checkSame(earlier, request)
    }
    await keyed.once(ctx, key?.asksLater(), work, { replay, keepsRefusals: false })
  })

  router.get('/media/:id', allow('messages:read'), async (ctx) => {
    const row = await media.get(ctx.state.tenantId, ctx.params['id'] ?? '')
    if (row.sessionId && !mayUse(ctx.state.key, row.sessionId)) {
      throw new AppError('not_found', 'There is no such file.', { reason: 'media_not_found' })
    }
    download(ctx, media, row)
  })

  return router
}

/** Files by a URL that has its own signature: it needs no key, and opens one file for a while. */
export function signedMediaRoutes({ media, links }: { media: Media; links: MediaLinks }): OpenRouter {
  const router = new Router<OpenState>({ prefix: '/api/v1' })
  router.get('/media/:id', async (ctx, next) => {
    if (!isSignedMedia(ctx)) return next()
    const id = ctx.params['id'] ?? ''
    links.check(id, ctx.query)
    download(ctx, media, await media.getSigned(id))
  })
  return router
}

/** Whether a request brings a signature where others bring a key. */
export function isSignedMedia({ method, path, query }: Pick<OpenContext, 'method' | 'path' | 'query'>): boolean {
  return ['GET', 'HEAD'].includes(method) && path.startsWith('/api/v1/media/') && query['signature'] !== undefined
}

/** A form with the file on its way to the disk; refused files are not kept. */
export function readUpload(
  ctx: ApiContext,
  files: MediaFiles,
  kind?: (typeof mediaTypes)[number],
): Promise<Form<IncomingFile>> {
  return readMultipart(ctx, {
    maxBytes: largest,
    tooLarge: () => tooLarge(largest),
    open: ({ filename, mimetype }) => files.receive({ kind, filename, declared: mimetype }),
  })
}

function presentMedia({ id, mimetype, size, sha256, filename }: MediaRow) {
  return { id, mimetype, size, sha256, ...(filename ? { filename } : {}) }
}

/** As a download, never shown: what people send each other must not run as a page of ours. */
function download(ctx: OpenContext, media: Media, row: MediaRow): void {
  ctx.attachment(row.filename ? safeName(row.filename) : `${row.id}`, { type: 'attachment' })
  ctx.type = row.mimetype
  ctx.set('X-Content-Type-Options', 'nosniff')
  ctx.set('Accept-Ranges', 'bytes')
  ctx.set('ETag', `"${row.sha256}"`)
  const range = rangeOf(ctx.get('Range'), row.size)
  if (range === 'unsatisfiable') {
    ctx.status = 416
    ctx.set('Content-Range', `bytes */${row.size}`)
    ctx.body = ''
    return
  }
  if (range) {
    ctx.status = 206
    ctx.set('Content-Range', `bytes ${range.start}-${range.end}/${row.size}`)
  }
  ctx.length = range ? range.end - range.start + 1 : row.size
  if (ctx.method === 'HEAD') return
  ctx.body = media.read(row, range)
  // Koa takes the length off when the body becomes a stream.
  ctx.length = range ? range.end - range.start + 1 : row.size
}

/** One range of bytes; undefined for none, and for lists of them, which may be answered with the whole. */
function rangeOf(header: string, size: number): { start: number; end: number } | 'unsatisfiable' | undefined {
  const [, from, to] = /^bytes=(\d*)-(\d*)$/.exec(header.trim()) ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return undefined
  const start = from === '' ? Math.max(0, size - Number(to)) : Number(from)
  const end = from === '' || to === '' ? size - 1 : Math.min(Number(to), size - 1)
  return start > end || start >= size ? 'unsatisfiable' : { start, end }
}

function safeName(name: string): string {
  return name.replace(/[/\\\p{Cc}]/gu, '_').slice(0, 255)
}
