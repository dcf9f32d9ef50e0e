/** Forms with files, each file streamed to where the caller wants it: nothing of its size or name is trusted. */
import { finished } from 'node:stream/promises'
import type { Writable } from 'node:stream'
import { koaBody } from 'koa-body'
import { AppError } from '../../runtime/app-error.js'
import type { ApiContext } from './context.js'
import { BODY_MS, refuseCompressed, tooSlow } from './json-body.js'

const MOST_FIELD_BYTES = 256 * 1024
/** Boundaries, headers and fields around the file. */
const OVERHEAD_BYTES = 2 ** 20
const LOOK_MS = 1_000

export interface FilePart {
  filename?: string
  mimetype?: string
}

export interface Upload<Target extends Writable> extends FilePart {
  target: Target
}

export interface Form<Target extends Writable> {
  fields: Record<string, string>
  file?: Upload<Target>
}

export interface MultipartOptions<Target extends Writable> {
  maxBytes: number
  tooLarge: () => AppError
  open: (part: FilePart) => Target
  /** The form is refused: nothing of what the target was given stays. */
  discard: (target: Target) => Promise<void>
}

/**
 * Reads a form with at most one file, in the field `file`. Throws `unsupported_type` for other bodies, `invalid` for
 * broken ones, `too_slow` when nothing comes any more, and what the target fails with.
 */
export async function readMultipart<Target extends Writable>(
  ctx: ApiContext,
  options: MultipartOptions<Target>,
): Promise<Form<Target>> {
  if (ctx.request.is('multipart/form-data') !== 'multipart/form-data') {
    throw new AppError('unsupported_type', 'Send the file as multipart/form-data, in the field `file`.', {
      reason: 'unsupported_content_type',
    })
  }
  refuseCompressed(ctx)
  if ((ctx.request.length ?? 0) > options.maxBytes + OVERHEAD_BYTES) throw options.tooLarge()

  const uploads: (Upload<Target> & { written: Promise<void> })[] = []
  const read = koaBody({
    ...{ multipart: true, json: false, text: false, urlencoded: false, patchNode: false },
    formidable: {
      ...{ maxFiles: 1, maxFields: 50, maxFieldsSize: MOST_FIELD_BYTES, allowEmptyFiles: true, minFileSize: 0 },
      // The target counts: it knows the limit of what it sees.
      maxFileSize: Number.MAX_SAFE_INTEGER,
      filter: ({ name }) => name === 'file',
      fileWriteStreamHandler: (part) => {
        const { originalFilename, mimetype } = (part ?? {}) as { originalFilename?: string; mimetype?: string }
        const described = {
          ...(originalFilename ? { filename: originalFilename } : {}),
          ...(mimetype ? { mimetype } : {}),
        }
        const target = options.open(described)
        const written = finished(target)
        // Awaited below; until then a failure must not count as unhandled.
        written.catch(() => undefined)
        uploads.push({ ...described, target, written })
        return target
      },
    },
  })
  const silence = silenceOf(ctx)
  const reading = read(ctx as never, () => Promise.resolve())
  // It may fail after nobody waits for it any more.
  reading.catch(() => undefined)
  try {
    await Promise.race([reading, silence.lasts])
    // The form is through when the last byte is handed on; the target may still refuse what it got.
    for (const { written } of uploads) await written
    for (const { filename, mimetype } of uploads) [filename, mimetype].forEach(checkText)
    const fields = textFields(ctx.request.body)
    const [file] = uploads
    return { fields, ...(file ? { file } : {}) }
  } catch (error) {
    for (const { target } of uploads) await options.discard(target)
    throw formError(error)
  } finally {
    silence.end()
  }
}

/** Rejects once nothing has come of a request for a while, though it could have. */
function silenceOf({ req }: ApiContext): { lasts: Promise<never>; end: () => void } {
  let timer: NodeJS.Timeout | undefined
  const lasts = new Promise<never>((_, reject) => {
    let seen = req.socket.bytesRead
    let silentMs = 0
    timer = setInterval(() => {
      const { bytesRead } = req.socket
      // A disk that does not keep up is not the sender's fault.
      silentMs = bytesRead === seen && !req.complete && !req.isPaused() ? silentMs + LOOK_MS : 0
      seen = bytesRead
      if (silentMs >= BODY_MS) reject(tooSlow())
    }, LOOK_MS)
  })
  return { lasts, end: () => clearInterval(timer) }
}

function textFields(body: unknown): Record<string, string> {
  const fields: Record<string, string> = {}
  for (const [name, value] of Object.entries((body ?? {}) as Record<string, unknown>)) {
    if (typeof value !== 'string') {
      throw new AppError('invalid', `${name}: is given more than once.`, { reason: 'invalid_request' })
    }
    checkText(name)
    checkText(value)
    fields[name] = value
  }
  return fields
}

/** What is not UTF-8 has become replacement characters already; a NUL ends a text wherever C is spoken. */
function checkText(text: string | undefined): void {
  if (text === undefined || !/[\0\ufffd]/.test(text)) return
  throw new AppError('invalid', 'A field of the form is not valid UTF-8, or holds a NUL.', { reason: 'malformed_text' })
}

function formError(error: unknown): AppError {
  if (error instanceof AppError) return error
  const { httpCode } = error as { httpCode?: unknown }
  if (httpCode === 413) {
    return new AppError('too_large', 'The form has too many or too large fields.', {
      reason: 'body_too_large',
      cause: error,
    })
  }
  if (typeof httpCode === 'number' || (error instanceof Error && 'code' in error && typeof error.code === 'number')) {
    return new AppError('invalid', 'The form is broken or ended early.', { reason: 'malformed_form', cause: error })
  }
  return new AppError('internal', 'Something broke. The log has the details.', { cause: error })
}
