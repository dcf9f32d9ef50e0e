import { z } from 'zod'
import type { Decision, Engine, SessionId, TenantId } from '../proto/contract.js'
import { AppError, type ErrorCode } from '../runtime/app-error.js'
import { currentTrace, traceParent } from '../runtime/trace.js'
import type { GatewayAccess } from './config.js'

const READ_MS = 5_000
/** The gateway itself waits up to 90 s for a node that stops a browser. */
const CHANGE_MS = 100_000
const MEDIA_MS = 120_000

const GatewaySession = z.object({
  id: z.string().transform((id) => id as SessionId),
  name: z.string(),
  engine: z.string().optional(),
  status: z.string(),
  reason: z.string().optional(),
  phone: z.string().optional(),
  node: z.string().optional(),
})
export type GatewaySession = z.output<typeof GatewaySession>

const GatewayTenant = z.object({
  id: z.string().transform((id) => id as TenantId),
  name: z.string(),
  status: z.string(),
})
export type GatewayTenant = z.output<typeof GatewayTenant>

const TenantPage = z.object({ data: z.array(GatewayTenant), nextCursor: z.string().nullish() })
const SessionPage = z.object({ data: z.array(GatewaySession), nextCursor: z.string().nullish() })
const AuditLine = z.object({
  at: z.string(),
  actor: z.string(),
  action: z.string(),
  target: z.string().optional(),
  outcome: z.string(),
})
const AuditPage = z.object({ data: z.array(AuditLine) })
export type AuditLine = z.output<typeof AuditLine>

const Usage = z.object({
  day: z.string().optional(),
  session: z.object({ id: z.string(), name: z.string() }).optional(),
  messages: z.object({
    sent: z.number(),
    failed: z.number(),
    unknown: z.number(),
    received: z.number(),
    fromPhone: z.number(),
  }),
  media: z.object({ bytesSent: z.number(), bytesReceived: z.number() }),
  webhooks: z.object({ delivered: z.number(), failedAttempts: z.number(), exhausted: z.number() }),
  connectedSeconds: z.number(),
})
export type Usage = z.output<typeof Usage>
const UsagePage = z.object({
  data: z.array(Usage),
  nextCursor: z.string().optional(),
  messagesPerDay: z.object({ used: z.number(), limit: z.number() }).optional(),
})
export interface UsageAsked {
  /** Id or name; `*` for all, the bot's own unless given. */
  tenant?: string
  session?: string
  /** Days such as `2026-11-23`. */
  from: string
  to: string
  groupBy: 'day' | 'session'
}

const Link = z.object({ url: z.string() })
const MessagePage = z.object({ data: z.array(z.looseObject({ waMessageId: z.string().optional(), type: z.string() })) })
const Notice = z.object({
  type: z.string(),
  tenant: z.string(),
  data: z.looseObject({
    webhook: z.object({ id: z.string(), description: z.string().optional(), host: z.string() }).optional(),
    error: z.string().optional(),
    reason: z.string().optional(),
    quota: z.string().optional(),
    used: z.number().optional(),
    limit: z.number().optional(),
  }),
})
export type Notice = z.output<typeof Notice>
const NoticePage = z.object({ data: z.array(Notice), nextCursor: z.string() })
const StoredFile = z.object({ id: z.string() })
const Problem = z.object({ detail: z.string().optional(), title: z.string().optional(), code: z.string().optional() })

const codes: Record<number, ErrorCode> = {
  400: 'invalid',
  401: 'unauthenticated',
  403: 'forbidden',
  404: 'not_found',
  408: 'too_slow',
  409: 'conflict',
  410: 'gone',
  413: 'too_large',
  415: 'unsupported_type',
  422: 'unprocessable',
  429: 'rate_limited',
  501: 'not_supported',
  503: 'unavailable',
  504: 'timeout',
  507: 'storage_full',
}

interface Asking {
  /** For whom; the bot's own tenant, `default`, unless given. */
  tenant?: string | undefined
  body?: object
  idempotencyKey?: string
  timeoutMs?: number
}

/** What the bot asks the gateway: what needs the database. Failures are AppErrors in the gateway's words. */
export class GatewayClient {
  /** The access is asked for at each call: in one process, the gateway's key exists only once it has started. */
  constructor(
    private readonly access: () => GatewayAccess,
    /** Whose a session is, as its node says. */
    private readonly tenantOf: (session: SessionId) => TenantId | undefined,
  ) {}

  tenants(): Promise<GatewayTenant[]> {
    return this.all('/tenants', TenantPage)
  }

  listSessions(tenant: TenantId): Promise<GatewaySession[]> {
    return this.all('/sessions', SessionPage, tenant)
  }

  /** Makes the row and starts the session. Throws `conflict` when the name is taken. */
  createSession(
    wanted: { name: string; engine?: Engine },
    { tenant, idempotencyKey }: { tenant: TenantId; idempotencyKey: string },
  ): Promise<GatewaySession> {
    return this.ask('POST', '/sessions', GatewaySession, { body: wanted, idempotencyKey, tenant })
  }

  /** Through the gateway and not the node: what is wanted of a session stands in the database. */
  async change(
    id: SessionId,
    change: 'start' | 'stop' | 'restart' | 'logout',
    tenant = this.tenantOf(id),
  ): Promise<void> {
    await this.ask('POST', `/sessions/${id}/${change}`, z.unknown(), { tenant })
  }

  async deleteSession(id: SessionId): Promise<void> {
    await this.ask('DELETE', `/sessions/${id}`, z.unknown(), { tenant: this.tenantOf(id) })
  }

  /** What an operator decides about a held message. Throws `conflict` when it is not, or no longer, held. */
  async decide(id: string, sessionId: SessionId | undefined, decision: Decision): Promise<void> {
    const [path, body] = decision === 'resend' ? ['resend', {}] : ['settle', { status: decision }]
    await this.ask('POST', `/messages/${encodeURIComponent(id)}/${path}`, z.unknown(), {
      body,
      tenant: sessionId && this.tenantOf(sessionId),
    })
  }

  /** What operators have to hear, after a cursor; without one, where to go on from. */
  notices(cursor?: string): Promise<z.output<typeof NoticePage>> {
    const after = cursor === undefined ? '' : `?cursor=${encodeURIComponent(cursor)}`
    return this.ask('GET', `/notices${after}`, NoticePage, { timeoutMs: READ_MS })
  }

  /** Newest first. */
  async audit(limit: number): Promise<AuditLine[]> {
    return (await this.ask('GET', `/audit?limit=${limit}`, AuditPage, { timeoutMs: READ_MS })).data
  }

  /** What an operator did past the gateway, on whose behalf this is asked. Told twice, it is on record once. */
  async reportAction(done: { id: string; action: string; tenant: string; target: string; at: string }): Promise<void> {
    await this.ask('POST', '/audit', z.unknown(), { body: done, timeoutMs: READ_MS })
  }

  /** All groups, in the order of the gateway. Throws `not_found`. */
  async usage(asked: UsageAsked): Promise<Pick<z.output<typeof UsagePage>, 'data' | 'messagesPerDay'>> {
    const query = new URLSearchParams({ ...asked, limit: '500' })
    const data: Usage[] = []
    for (;;) {
      const page = await this.ask('GET', `/usage?${query.toString()}`, UsagePage, { timeoutMs: READ_MS })
      data.push(...page.data)
      if (page.nextCursor === undefined) return { ...page, data }
      query.set('cursor', page.nextCursor)
    }
  }

  async hasTenant(ref: string): Promise<boolean> {
    try {
      await this.ask('GET', `/tenants/${encodeURIComponent(ref)}`, z.unknown(), { timeoutMs: READ_MS })
      return true
    } catch (error) {
      if (error instanceof AppError && error.code === 'not_found') return false
      throw error
    }
  }

  /** A short-lived page that shows the QR code. */
  async link(id: SessionId, tenant = this.tenantOf(id)): Promise<string> {
    const { url } = await this.ask('POST', `/sessions/${id}/link`, Link, {
      timeoutMs: READ_MS,
      tenant,
    })
    return url
  }

  /** The file of a message that came in lately: nodes drop theirs once the gateway has it. Throws `not_found`. */
  async mediaOf(message: { sessionId: SessionId; chatId: string; waMessageId: string }): Promise<Buffer> {
    const query = new URLSearchParams({ session: message.sessionId, chatId: message.chatId, direction: 'in' })
    const tenant = this.tenantOf(message.sessionId)
    const { data } = await this.ask('GET', `/messages?${query.toString()}`, MessagePage, { timeoutMs: READ_MS, tenant })
    const found = data.find(({ waMessageId }) => waMessageId === message.waMessageId)
    const file = found && StoredFile.safeParse(found[found.type]).data
    if (!file) throw new AppError('not_found', 'The gateway has no such file.')
    const response = await this.request('GET', `/media/${file.id}`, { timeoutMs: MEDIA_MS, tenant })
    if (!response.ok) throw problemOf(response.status, undefined)
    return read(() => response.arrayBuffer().then((bytes) => Buffer.from(bytes)))
  }

  /** All pages of a list. */
  private async all<Item>(
    path: string,
    schema: z.ZodType<{ data: Item[]; nextCursor?: string | null | undefined }>,
    tenant?: TenantId,
  ): Promise<Item[]> {
    const items: Item[] = []
    let cursor = ''
    do {
      const page = await this.ask('GET', `${path}?limit=100${cursor}`, schema, { timeoutMs: READ_MS, tenant })
      items.push(...page.data)
      cursor = page.nextCursor ? `&cursor=${encodeURIComponent(page.nextCursor)}` : ''
    } while (cursor !== '')
    return items
  }

  private async ask<Schema extends z.ZodType>(
    method: string,
    path: string,
    schema: Schema,
    asking: Asking = {},
  ): Promise<z.output<Schema>> {
    const response = await this.request(method, path, asking)
    const text = await read(() => response.text())
    const answer = text === '' ? {} : parseJson(text)
    if (!response.ok) throw problemOf(response.status, answer)
    const parsed = schema.safeParse(answer)
    if (parsed.success) return parsed.data
    throw new AppError('internal', 'The gateway answered something unexpected.', { cause: parsed.error })
  }

  private request(
    method: string,
    path: string,
    { body, idempotencyKey, tenant, timeoutMs = CHANGE_MS }: Asking,
  ): Promise<Response> {
    const { url, apiKey } = this.access()
    const headers: Record<string, string> = { authorization: `Bearer ${apiKey}`, accept: 'application/json' }
    if (body) headers['content-type'] = 'application/json'
    if (idempotencyKey) headers['idempotency-key'] = idempotencyKey
    if (tenant !== undefined) headers['x-tenant'] = tenant
    const trace = currentTrace()
    if (trace) headers['traceparent'] = traceParent(trace)
    if (trace?.actor) headers['x-actor'] = trace.actor
    return read(() =>
      fetch(new URL(`${url.replace(/\/$/, '')}/api/v1${path}`), {
        method,
        headers,
        signal: AbortSignal.timeout(timeoutMs),
        redirect: 'error',
        ...(body ? { body: JSON.stringify(body) } : {}),
      }),
    )
  }
}

/** The network's failures in our words. */
async function read<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (cause) {
    const late = cause instanceof Error && cause.name === 'TimeoutError'
    const sentence = late ? 'The gateway took too long to answer.' : 'The gateway does not answer.'
    throw new AppError(late ? 'timeout' : 'unavailable', sentence, { reason: 'gateway_unreachable', cause })
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    // A proxy's error page, for example; the status says what it is.
    return undefined
  }
}

function problemOf(status: number, answer: unknown): AppError {
  const { detail, title, code } = Problem.safeParse(answer).data ?? {}
  const kind = status === 409 && code === 'not_ready' ? 'not_ready' : (codes[status] ?? 'internal')
  const sentence =
    kind === 'unauthenticated'
      ? 'The gateway refused the key of the bot. Check GATEWAY_API_KEY.'
      : (detail ?? title ?? `The gateway failed (${status}).`)
  return new AppError(kind, sentence, code ? { reason: code } : {})
}
