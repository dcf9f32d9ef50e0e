import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A call to the Bot API as it arrived: fields of JSON or of a form, and the uploaded files by field name. */
export interface BotApiCall {
  method: string
  fields: Record<string, unknown>
  files: Map<string, UploadedFile>
  at: number
  /** Fires when the caller hangs up. */
  signal: AbortSignal
}

export interface UploadedFile {
  filename: string
  bytes: Buffer
}

/** An answer with `ok: false`. */
export class BotApiError extends Error {
  constructor(
    readonly status: number,
    readonly description: string,
    readonly parameters?: Record<string, unknown>,
  ) {
    super(description)
  }
}

export interface BotApiHandlers {
  token: string
  call(call: BotApiCall): Promise<unknown>
  file(path: string): Buffer | undefined
}

/** The HTTP side of the stand-in: paths, tokens, forms and the envelope of answers, as api.telegram.org has them. */
export async function serveBotApi(handlers: BotApiHandlers): Promise<{ apiRoot: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    answer(handlers, request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500)
      response.end(String(error))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return { apiRoot: `http://127.0.0.1:${port}`, close: () => close(server) }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function answer(handlers: BotApiHandlers, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const hungUp = new AbortController()
  response.on('close', () => hungUp.abort())
  const path = decodeURIComponent(new URL(request.url ?? '/', 'http://telegram').pathname)
  const body = await readAll(request)

  const file = /^\/file\/bot([^/]+)\/(.+)$/.exec(path)
  if (file) {
    const bytes = file[1] === handlers.token ? handlers.file(file[2] ?? '') : undefined
    response.writeHead(bytes ? 200 : 404, { 'content-type': 'application/octet-stream' })
    response.end(bytes)
    return
  }

  const send = (status: number, payload: object) => {
    if (response.destroyed) return
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(JSON.stringify(payload))
  }
  const called = /^\/bot([^/]+)\/(\w+)$/.exec(path)
  if (!called?.[2]) return send(404, { ok: false, error_code: 404, description: 'Not Found' })
  if (called[1] !== handlers.token) return send(401, { ok: false, error_code: 401, description: 'Unauthorized' })
  try {
    const parsed = parseBody(request.headers['content-type'] ?? '', body)
    const call = { method: called[2], ...parsed, at: Date.now(), signal: hungUp.signal }
    send(200, { ok: true, result: await handlers.call(call) })
  } catch (error) {
    if (!(error instanceof BotApiError)) throw error
    const { status, description, parameters } = error
    send(status, { ok: false, error_code: status, description, ...(parameters ? { parameters } : {}) })
  }
}

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of request) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** In a form, objects travel as JSON text; Telegram reads these fields so. */
const jsonFields = ['reply_markup', 'reply_parameters', 'media', 'commands', 'link_preview_options', 'allowed_updates']

function parseBody(contentType: string, body: Buffer): Pick<BotApiCall, 'fields' | 'files'> {
  const files = new Map<string, UploadedFile>()
  const boundary = /^multipart\/form-data;.*boundary="?([^";]+)/.exec(contentType)?.[1]
  if (!boundary) {
    const fields = body.length > 0 ? (JSON.parse(body.toString('utf8')) as Record<string, unknown>) : {}
    return { fields, files }
  }
  const fields: Record<string, unknown> = {}
  for (const part of partsOf(body, boundary)) {
    const name = / name="([^"]*)"/.exec(part.head)?.[1]
    const filename = / filename="([^"]*)"/.exec(part.head)?.[1]
    if (name === undefined) throw new BotApiError(400, 'Bad Request: a part of the form has no name')
    if (filename !== undefined) files.set(name, { filename, bytes: part.body })
    else fields[name] = jsonFields.includes(name) ? JSON.parse(part.body.toString('utf8')) : part.body.toString('utf8')
  }
  return { fields, files }
}

function* partsOf(body: Buffer, boundary: string): Generator<{ head: string; body: Buffer }> {
  const mark = Buffer.from(`--${boundary}`)
  let at = body.indexOf(mark)
  while (at >= 0) {
    const begin = at + mark.length
    const next = body.indexOf(mark, begin)
    if (next < 0) return
    // Between the marks: CRLF, head, empty line, content, CRLF.
    const part = body.subarray(begin + 2, next - 2)
    const split = part.indexOf('\r\n\r\n')
    if (split >= 0) yield { head: part.subarray(0, split).toString('utf8'), body: part.subarray(split + 4) }
    at = next
  }
}
