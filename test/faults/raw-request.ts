/** Requests as no well-behaved client sends them: paths and bodies go out byte for byte. */
import { Agent, type IncomingMessage, request } from 'node:http'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

export interface RawRequest {
  method: string
  path: string
  headers?: Record<string, string>
  body?: string | Buffer
}

export interface RawAnswer {
  status: number
  headers: IncomingMessage['headers']
  text: string
  /** Of problem+json. */
  code: string | undefined
}

const WAIT_MS = 30_000

export class RawClient {
  private readonly agent = new Agent({ keepAlive: true, maxSockets: 8 })

  constructor(
    private readonly url: string,
    private readonly key: string,
  ) {}

  async ask({ method, path, headers = {}, body }: RawRequest): Promise<RawAnswer> {
    const { hostname, port } = new URL(this.url)
    const sent = request({
      ...{ hostname, port, method, path, agent: this.agent, timeout: WAIT_MS },
      headers: { 'x-api-key': this.key, ...headers, 'content-length': String(Buffer.byteLength(body ?? '')) },
    })
    sent.end(body)
    const [answer] = (await once(sent, 'response')) as [IncomingMessage]
    const said = await text(answer)
    const type = answer.headers['content-type'] ?? ''
    const code = type.startsWith('application/problem+json') ? String((JSON.parse(said) as { code: unknown }).code) : ''
    return { status: answer.statusCode ?? 0, headers: answer.headers, text: said, code: code || undefined }
  }

  close(): Promise<void> {
    this.agent.destroy()
    return Promise.resolve()
  }
}
