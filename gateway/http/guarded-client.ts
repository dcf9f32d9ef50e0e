/**
 * The one HTTP client for addresses that callers choose (media URLs, webhooks): https, no redirects, the resolved
 * address checked and then dialled (no second look-up), private and special ranges refused, size and time bounded.
 */
import { type LookupAllOptions, lookup as dnsLookup } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import ipaddr from 'ipaddr.js'
import { Agent, buildConnector, type Dispatcher, request } from 'undici'
import { AppError } from '../../runtime/app-error.js'
import { fewLookups, type Resolve } from './few-lookups.js'

export type { Resolve } from './few-lookups.js'

export interface GuardedClientOptions {
  /** Ranges, such as `10.0.0.0/8`, that may be reached although they are private, by plain http too. */
  allowCidrs: readonly string[]
  resolve?: Resolve
  connectTimeoutMs?: number
  connections?: number
  /** Names looked up at once, of the four that a process can: 1 unless given. */
  lookups?: number
}

export interface GuardedRequest {
  url: string
  method?: 'GET' | 'POST'
  headers?: Record<string, string>
  body?: Buffer | string
  timeoutMs: number
  /** Until headers and between two pieces of the body, at most `timeoutMs`. */
  signal?: AbortSignal
}

export interface GuardedAnswer {
  status: number
  headers: Record<string, string | string[] | undefined>
  body: Dispatcher.ResponseData['body']
}

export interface GuardedClient {
  /** Throws `invalid` (`invalid_url`, `blocked_address`), `unprocessable` or `timeout` (`url_unreachable`). */
  request(options: GuardedRequest): Promise<GuardedAnswer>
  /** Throws `invalid` when this address can never be reached; what its name resolves to is checked when dialling. */
  check(url: string): URL
  close(): Promise<void>
}

export function createGuardedClient(options: GuardedClientOptions): GuardedClient {
  const ranges = options.allowCidrs.map((cidr) => ipaddr.parseCIDR(cidr))
  const resolve = fewLookups(
    options.resolve ?? ((hostname, how, done) => dnsLookup(hostname, how, done)),
    options.lookups ?? 1,
  )

  function isAllowed(address: string): boolean {
    const parsed = ipaddr.process(address)
    return ranges.some(([range, bits]) => parsed.kind() === range.kind() && parsed.match([range, bits] as never))
  }

  function isReachable(address: string): boolean {
    return isAllowed(address) || isPublic(address)
  }

  // Any address that is not public refuses the name: else a name with two addresses would be a way around.
  const checkedLookup: LookupFunction = (hostname, { family, hints }, done) => {
    const how: LookupAllOptions = { all: true }
    if (family === 4 || family === 6) how.family = family
    if (hints !== undefined) how.hints = hints
    resolve(hostname, how, (error, addresses) => {
      const [first] = addresses ?? []
      if (error || !first) return done(error ?? new Error('The name has no address'), [])
      const refused = addresses.find(({ address }) => !isReachable(address))
      if (refused) return done(blocked(hostname), [])
      done(null, addresses)
    })
  }

  const connect = buildConnector({ timeout: options.connectTimeoutMs ?? 10_000, lookup: checkedLookup })
  const agent = new Agent({
    connections: options.connections ?? 50,
    keepAliveTimeout: 4_000,
    maxResponseSize: -1,
    // Literal addresses are dialled without a look-up, and plain http is for allowed ranges only.
    connect: (target, done) => {
      const host = target.hostname.replace(/^\[|\]$/g, '')
      if (isIP(host) && !isReachable(host)) return done(blocked(host), null)
      connect(target, (error, socket) => {
        if (error) return done(error, null)
        const remote = socket.remoteAddress
        if (!remote || !isReachable(remote) || (target.protocol === 'http:' && !isAllowed(remote))) {
          socket.destroy()
          return done(target.protocol === 'http:' ? plainHttp() : blocked(host), null)
        }
        done(null, socket)
      })
    },
  })

  function check(url: string): URL {
    const parsed = URL.canParse(url) ? new URL(url) : null
    if (!parsed || (parsed.protocol !== 'https:' && parsed.protocol !== 'http:')) {
      throw new AppError('invalid', 'The URL must begin with https://', { reason: 'invalid_url' })
    }
    if (parsed.username || parsed.password) {
      throw new AppError('invalid', 'The URL must not hold a password.', { reason: 'invalid_url' })
    }
    if (parsed.protocol === 'http:' && ranges.length === 0) throw plainHttp()
    const host = parsed.hostname.replace(/^\[|\]$/g, '')
    if (isIP(host) && !isReachable(host)) throw blocked(host)
    return parsed
  }

  async function send(asked: GuardedRequest): Promise<GuardedAnswer> {
    const url = check(asked.url)
    const { deadline, signal, forget } = limits(asked)
    try {
      const answer = await request(url, {
        dispatcher: agent,
        method: asked.method ?? 'GET',
        headers: asked.headers ?? {},
        body: asked.body ?? null,
        headersTimeout: asked.timeoutMs,
        bodyTimeout: asked.timeoutMs,
        signal,
      })
      answer.body.once('close', forget)
      return { status: answer.statusCode, headers: answer.headers, body: answer.body }
    } catch (error) {
      forget()
      throw toUrlError(error, url, deadline)
    }
  }

  return { request: send, check, close: () => agent.destroy() }
}

/** Ends a request at its deadline or by its own signal. By hand: AbortSignal.any costs more than all the rest of it. */
function limits({ timeoutMs, signal: given }: GuardedRequest) {
  const controller = new AbortController()
  const deadline = { aborted: false }
  const end = () => controller.abort()
  const timer = setTimeout(() => {
    deadline.aborted = true
    end()
  }, timeoutMs)
  if (given?.aborted) end()
  given?.addEventListener('abort', end)
  const forget = () => {
    clearTimeout(timer)
    given?.removeEventListener('abort', end)
  }
  return { deadline, signal: controller.signal, forget }
}

/** What a failed request means to the caller who chose the address. */
export function toUrlError(error: unknown, url: URL, deadline?: { aborted: boolean }): AppError {
  if (error instanceof AppError) return error
  if (error instanceof Error && error.cause instanceof AppError) return error.cause
  if (deadline?.aborted) {
    return new AppError('timeout', `${url.host} took too long to answer.`, { reason: 'url_timeout', cause: error })
  }
  return new AppError('unprocessable', `${url.host} could not be reached.`, { reason: 'url_unreachable', cause: error })
}

const globalUnicast = ipaddr.parseCIDR('2000::/3')
/** Public by its number, and inside Azure the host's own services. */
const AZURE_HOST = '168.63.129.16'

/** Publicly routable unicast, also when an IPv4 address is wrapped in an IPv6 one. */
function isPublic(address: string): boolean {
  if (!ipaddr.isValid(address)) return false
  const parsed = ipaddr.process(address)
  if (parsed.range() !== 'unicast' || parsed.toString() === AZURE_HOST) return false
  // What is assigned to nobody, such as ::127.0.0.1, counts as unicast too.
  return parsed.kind() === 'ipv4' || parsed.match(globalUnicast as never)
}

function blocked(host: string): AppError {
  return new AppError('invalid', `${host} is a private or special address, which must not be reached.`, {
    reason: 'blocked_address',
  })
}

function plainHttp(): AppError {
  return new AppError('invalid', 'The URL must begin with https://; plain http is for allowed private addresses.', {
    reason: 'invalid_url',
  })
}
