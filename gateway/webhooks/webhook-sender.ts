/** One attempt: a signed request, and what came of it. Never throws, and never takes longer than its limit. */
import type { Readable } from 'node:stream'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { traceParent } from '../../runtime/trace.js'
import type { GuardedClient } from '../http/guarded-client.js'
import type { Outcome } from './delivery.js'
import type { Posted } from './event-bodies.js'
import { parseRetryAfter } from './schedule.js'
import { signatureHeaders } from './signature.js'
import { signingSecrets, type Webhook } from './webhook.js'

const LIMIT_MS = 15_000
/** The answer decides; what else it says is not worth waiting for. */
const BODY_MS = 3_000
const MOST_BYTES = 20_000

export interface WebhookSenderOptions {
  client: GuardedClient
  userAgent: string
  clock: Clock
}

export type Target = Pick<Webhook, 'url' | 'headers' | 'signature' | 'secret' | 'previous'>

export class WebhookSender {
  constructor(private readonly options: WebhookSenderOptions) {}

  /** Undefined when the signal ended it: nothing is known of it then. */
  async post(
    target: Target,
    id: string,
    { bytes: body, traceId }: Posted,
    signal: AbortSignal,
  ): Promise<Outcome | undefined> {
    const { client, clock, userAgent } = this.options
    const at = clock()
    const begun = performance.now()
    const durationMs = () => Math.round(performance.now() - begun)
    try {
      const {
        status,
        headers,
        body: answer,
      } = await client.request({
        url: target.url,
        method: 'POST',
        headers: {
          ...target.headers,
          'content-type': 'application/json',
          'user-agent': userAgent,
          ...(traceId ? { traceparent: traceParent({ id: traceId }) } : {}),
          ...signatureHeaders(target.signature, signingSecrets(target, at), { id, at, body }),
        },
        body,
        timeoutMs: LIMIT_MS,
        signal,
      })
      const text = await beginningOf(answer)
      const retryAfterMs = parseRetryAfter(String(headers['retry-after'] ?? ''), clock())
      return {
        ...{ at, status, durationMs: durationMs() },
        ...(text === '' ? {} : { answer: text }),
        ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      }
    } catch (error) {
      if (signal.aborted) return undefined
      return { at, error: wordFor(error), durationMs: durationMs() }
    }
  }
}

/** The first bytes of an answer as text; whatever else happens to it. The connection ends unless all was read. */
function beginningOf(body: Readable): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    let size = 0
    const done = () => {
      clearTimeout(timer)
      resolve(asText(Buffer.concat(chunks)))
      if (!body.readableEnded) body.destroy()
    }
    const timer = setTimeout(done, BODY_MS)
    body.on('data', (chunk: Buffer) => {
      if (size < MOST_BYTES) chunks.push(chunk)
      size += chunk.length
      if (size > MOST_BYTES) done()
    })
    // What it said before it broke is what it said.
    body.once('end', done).once('close', done).on('error', done)
  })
}

/** At most so many bytes again: what is no text becomes three bytes for each of its own. */
function asText(bytes: Buffer): string {
  const text = bytes.subarray(0, MOST_BYTES).toString('utf8').replaceAll('\0', '\uFFFD')
  if (3 * text.length <= MOST_BYTES) return text
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(MOST_BYTES)).read)
}

const words: Record<string, string> = {
  ECONNREFUSED: 'connection_refused',
  ECONNRESET: 'connection_reset',
  EPIPE: 'connection_reset',
  UND_ERR_SOCKET: 'connection_reset',
  ENOTFOUND: 'name_not_found',
  EAI_AGAIN: 'name_not_found',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  UND_ERR_CONNECT_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_TIMEOUT: 'timeout',
  UND_ERR_BODY_TIMEOUT: 'timeout',
  UND_ERR_HEADERS_OVERFLOW: 'malformed_answer',
}

/** A word that tells nothing of what lies behind a name: neither its address nor what listens there. */
export function wordFor(error: unknown): string {
  for (let cause: unknown = error, depth = 0; cause instanceof Error && depth < 5; cause = cause.cause, depth++) {
    if (cause instanceof AppError) {
      if (cause.reason === 'url_timeout') return 'timeout'
      if (cause.reason !== 'url_unreachable') return cause.reason
    }
    const { code } = cause as NodeJS.ErrnoException
    const word = code === undefined ? undefined : words[code]
    if (word) return word
    if (code !== undefined && /CERT|TLS|SSL|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code))
      return 'certificate_invalid'
    if (code?.startsWith('HPE_')) return 'malformed_answer'
  }
  return 'unreachable'
}
