import type { ParameterizedContext } from 'koa'
import { AppError } from '../../runtime/app-error.js'

const LIMIT = 256 * 1024
const DEPTH = 32
export const BODY_MS = 15_000

/**
 * The JSON body of a request; undefined when there is none. Refuses what is too large or too deep, text that is not
 * UTF-8 or has half a surrogate pair (a database would silently change it), and other types.
 */
export async function readJson(ctx: ParameterizedContext): Promise<unknown> {
  // `is` answers null when there is no body at all.
  const type = ctx.request.is('json', '+json')
  if (type === null) return undefined
  if (type === false) {
    if (ctx.request.length === 0) return undefined
    throw new AppError('unsupported_type', 'Send the body as application/json.', { reason: 'unsupported_content_type' })
  }
  refuseCompressed(ctx)
  const bytes = await readAll(ctx)
  if (bytes.length === 0) return undefined
  const value = decode(bytes)
  check(value, 1)
  return value
}

/** A few bytes may be a gigabyte once they are unpacked. */
export function refuseCompressed(ctx: ParameterizedContext): void {
  const encoding = ctx.get('Content-Encoding')
  if (encoding === '' || encoding === 'identity') return
  throw new AppError('unsupported_type', 'Send the body without Content-Encoding.', { reason: 'unsupported_encoding' })
}

export function tooSlow(): AppError {
  return new AppError('too_slow', 'The body did not arrive in time.', { reason: 'body_too_slow' })
}

async function readAll(ctx: ParameterizedContext): Promise<Buffer> {
  const tooLarge = () =>
    new AppError('too_large', `The body is larger than ${LIMIT / 1024} KiB.`, { reason: 'body_too_large' })
  if ((ctx.request.length ?? 0) > LIMIT) throw tooLarge()
  const chunks: Buffer[] = []
  let size = 0
  return new Promise((resolve, reject) => {
    const done = (error?: Error) => {
      clearTimeout(timer)
      ctx.req.off('data', onData).off('end', onEnd).off('error', onLost).off('close', onLost)
      if (error) {
        ctx.req.pause()
        reject(error)
      } else resolve(Buffer.concat(chunks))
    }
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > LIMIT) done(tooLarge())
      else chunks.push(chunk)
    }
    const onEnd = () => done()
    const onLost = () => done(new AppError('invalid', 'The body ended early.', { reason: 'body_incomplete' }))
    const timer = setTimeout(() => done(tooSlow()), BODY_MS)
    ctx.req.on('data', onData).on('end', onEnd).on('error', onLost).on('close', onLost)
  })
}

function decode(bytes: Buffer): unknown {
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new AppError('invalid', 'The body is not valid UTF-8.', { reason: 'malformed_text' })
  }
  try {
    return JSON.parse(text) as unknown
  } catch {
    // The parser's own words quote the body, which may be a message.
    throw new AppError('invalid', 'The body is not valid JSON.', { reason: 'malformed_json' })
  }
}

function check(value: unknown, depth: number): void {
  if (typeof value === 'string') return checkText(value)
  if (typeof value !== 'object' || value === null) return
  if (depth > DEPTH) {
    throw new AppError('invalid', `The body is nested more than ${DEPTH} levels deep.`, { reason: 'body_too_deep' })
  }
  for (const [key, inner] of Object.entries(value)) {
    checkText(key)
    check(inner, depth + 1)
  }
}

function checkText(text: string): void {
  if (text.isWellFormed()) return
  throw new AppError('invalid', 'The body has half a surrogate pair in a string.', { reason: 'malformed_text' })
}
