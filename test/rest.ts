import type { Exchange } from './api-contract.js'

/** What an integrator has: a URL and a key. */
export interface Answer<Body> {
  status: number
  headers: Headers
  body: Body
}

// The shapes are what tests look at, not a copy of the API's types.
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Json = any

export interface Rest {
  readonly url: string
  readonly key: string
  get<Body = Json>(path: string, headers?: Record<string, string>): Promise<Answer<Body>>
  post<Body = Json>(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer<Body>>
  patch<Body = Json>(path: string, body: unknown): Promise<Answer<Body>>
  delete<Body = Json>(path: string): Promise<Answer<Body>>
  bytes(path: string, headers?: Record<string, string>): Promise<{ status: number; headers: Headers; bytes: Buffer }>
  upload<Body = Json>(
    path: string,
    file: Blob,
    filename: string,
    fields?: Record<string, string>,
  ): Promise<Answer<Body>>
}

/** `check` looks at each answer, and throws. */
export function createRest(url: string, key: string, check: (exchange: Exchange) => void = () => undefined): Rest {
  async function request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = { authorization: `Bearer ${key}`, ...(init.headers as Record<string, string> | undefined) }
    return fetch(`${url}/api/v1${path}`, { ...init, method, headers, signal: AbortSignal.timeout(60_000) })
  }
  async function json<Body>(method: string, path: string, init?: RequestInit): Promise<Answer<Body>> {
    const response = await request(method, path, init)
    const text = await response.text()
    check({ method, path: `/api/v1${path}`, status: response.status, headers: response.headers, text })
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as Body }
  }
  const withBody = (body: unknown, headers: Record<string, string> = {}): RequestInit =>
    body === undefined
      ? { headers }
      : { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } }

  return {
    url,
    key,
    get: (path, headers = {}) => json('GET', path, { headers }),
    post: (path, body, headers) => json('POST', path, withBody(body, headers)),
    patch: (path, body) => json('PATCH', path, withBody(body)),
    delete: (path) => json('DELETE', path),
    async bytes(path, headers = {}) {
      const below = path.replace(/^.*\/api\/v1/, '')
      const response = await request('GET', below, { headers })
      check({ method: 'GET', path: `/api/v1${below}`, status: response.status, headers: response.headers })
      return { status: response.status, headers: response.headers, bytes: Buffer.from(await response.arrayBuffer()) }
    },
    upload(path, file, filename, fields = {}) {
      const form = new FormData()
      for (const [name, value] of Object.entries(fields)) form.set(name, value)
      form.set('file', file, filename)
      return json('POST', path, { body: form })
    },
  }
}
