/** A file as an answer. */
import { AppError } from '../../runtime/app-error.js'
import type { OpenContext } from '../http/context.js'
import { rangeOf } from './byte-range.js'
import type { Media } from './media.js'
import type { MediaRow } from './media-table.js'

/** As a download, never shown: what people send each other must not run as a page of ours. */
export async function giveFile(ctx: OpenContext, media: Pick<Media, 'read'>, row: MediaRow): Promise<void> {
  const { size } = row
  const etag = `"${row.sha256}"`
  const head = () => {
    ctx.attachment(row.filename ? safeName(row.filename) : row.id, { type: 'attachment' })
    ctx.type = row.mimetype
    ctx.set('X-Content-Type-Options', 'nosniff')
    ctx.set('Accept-Ranges', 'bytes')
    ctx.set('ETag', etag)
  }
  if (isKnown(ctx.get('If-None-Match'), etag)) {
    head()
    ctx.status = 304
    return
  }
  // A range is a matter of GET alone (RFC 9110, 14.2).
  const isHead = ctx.method === 'HEAD'
  const part = isHead ? 'whole' : rangeOf({ range: ctx.get('Range'), ifRange: ctx.get('If-Range') }, { size, etag })
  if (part === 'unsatisfiable') {
    ctx.set('Accept-Ranges', 'bytes')
    ctx.set('Content-Range', `bytes */${size}`)
    throw new AppError('not_satisfiable', `The file has ${size} bytes.`, { reason: 'range_not_satisfiable' })
  }
  const range = part === 'whole' ? undefined : part
  // First, because it may be refused: then nothing of what follows is true.
  const body = isHead ? undefined : await media.read(row, range)
  head()
  if (range) {
    ctx.status = 206
    ctx.set('Content-Range', `bytes ${range.start}-${range.end}/${size}`)
  } else {
    ctx.status = 200
  }
  if (body) ctx.body = body
  // Koa takes the length off when the body becomes a stream.
  ctx.length = range ? range.end - range.start + 1 : size
}

function isKnown(header: string, etag: string): boolean {
  return header.split(',').some((one) => one.trim().replace(/^W\//, '') === etag || one.trim() === '*')
}

function safeName(name: string): string {
  return name
    .replace(/[/\\\p{Cc}\p{Cf}]/gu, '_')
    .slice(0, 255)
    .toWellFormed()
}
