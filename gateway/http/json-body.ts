import type { ParameterizedContext } from 'koa'
import { AppError } from '../../runtime/app-error.js'

const LIMIT = 256 * 1024
const DEPTH = 32
export const BODY_MS = 15_000
const [COLON, QUOTE, BACKSLASH] = [58, 34, 92]

/**
 * The JSON body of a request; undefined when there is none. Refuses what is too large or too deep, text that is not
 * UTF-8, has half a surrogate pair or a NUL, fields given twice (who reads the other one would see something else), numbers
 * that are none, and other types.
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
  return decode(bytes)
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
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // The parser's own words quote the body, which may be a message.
    throw malformed('The body is not valid JSON.')
  }
  if (check(value, 1) !== membersIn(text)) {
    throw new AppError('invalid', 'A field is given more than once.', { reason: 'malformed_json' })
  }
  return value
}

/** Throws for what is not taken; answers how many members its objects have, all together. */
function check(value: unknown, depth: number): number {
  if (typeof value === 'string') checkText(value)
  // 1e999: it would be kept as null.
  else if (typeof value === 'number' && !Number.isFinite(value)) throw malformed('A number is too large.')
  if (typeof value !== 'object' || value === null) return 0
  if (depth > DEPTH) {
    throw new AppError('invalid', `The body is nested more than ${DEPTH} levels deep.`, { reason: 'body_too_deep' })
  }
  const isList = Array.isArray(value)
  let members = 0
  for (const [key, inner] of Object.entries(value)) {
    if (!isList) {
      members += 1
      checkText(key)
      if (key === '__proto__') throw malformed('No field may be called __proto__.')
    }
    members += check(inner, depth + 1)
  }
  return members
}

/** How many members the objects of a valid JSON text have: each has one colon outside of strings. */
function membersIn(text: string): number {
  let members = 0
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code === COLON) members += 1
    else if (code === QUOTE) at = endOfString(text, at)
  }
  return members
}

function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); ; end = text.indexOf('"', end + 1)) {
    let first = end
    while (text.charCodeAt(first - 1) === BACKSLASH) first -= 1
    if ((end - first) % 2 === 0) return end
  }
}

function checkText(text: string): void {
  // Half a surrogate pair a database would silently change; a NUL ends a text wherever C is spoken.
  if (!text.isWellFormed() || text.includes('\0')) throw badText()
}

function badText(): AppError {
  return new AppError('invalid', 'A string in the body has half a surrogate pair or a NUL.', {
    reason: 'malformed_text',
  })
}

function malformed(message: string): AppError {
  return new AppError('invalid', message, { reason: 'malformed_json' })
}
