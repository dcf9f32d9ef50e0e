/**
 * A small S3 server of our own: path-style buckets in memory. What it is strict about is what real ones are: signatures
 * (AWS Signature Version 4, computed here anew from what arrived), hashes of bodies, names of errors.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { S3Settings } from '../gateway/media/s3-media-store.js'

interface Stored {
  bytes: Buffer
  at: number
}

export interface S3ServerOptions {
  /** As many objects a page of a list has at most. */
  pageSize?: number
}

const ACCESS_KEY = 'TESTKEY'
const SECRET = 'secret/of+the/test'
const REGION = 'eu-test-1'
const BUCKET = 'switchboard-media'
const SKEW_MS = 15 * 60_000

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(code)
  }
}

export class S3Server {
  readonly objects = new Map<string, Stored>()
  /** What it was asked, as `PUT key`. */
  readonly asked: string[] = []
  /** Answers to the next requests, instead of doing them: an error of its own, or none at all. */
  readonly failures: (number | 'silent')[] = []
  private server: Server | undefined

  constructor(private readonly options: S3ServerOptions = {}) {}

  async start(): Promise<void> {
    this.server = createServer((request, response) => void this.answer(request, response))
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections()
    this.server?.close()
    return Promise.resolve()
  }

  settings(changed: Partial<S3Settings> = {}): S3Settings {
    return {
      endpoint: `http://127.0.0.1:${(this.server?.address() as AddressInfo).port}`,
      region: REGION,
      bucket: BUCKET,
      prefix: 'files/',
      credentials: { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET },
      forcePathStyle: true,
      ...changed,
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const body = await buffer(request)
      const failure = this.failures.shift()
      if (failure === 'silent') return
      if (failure !== undefined) throw new Refusal(failure, 'SlowDown')
      checkSignature(request, body)
      this.serve(request, body, response)
    } catch (error) {
      const { status, code } = error instanceof Refusal ? error : new Refusal(500, 'InternalError')
      response.writeHead(status, { 'content-type': 'application/xml' })
      response.end(
        request.method === 'HEAD' ? undefined : xml('Error', `<Code>${code}</Code><Message>${code}</Message>`),
      )
    }
  }

  private serve(request: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const url = new URL(request.url ?? '', 'http://x')
    const [, bucket, ...rest] = url.pathname.split('/').map(decodeURIComponent)
    const key = rest.join('/')
    this.asked.push(`${request.method} ${key}`)
    if (bucket !== BUCKET) throw new Refusal(404, 'NoSuchBucket')
    if (key === '') return this.list(url.searchParams, response)
    switch (request.method) {
      case 'PUT':
        return this.put(key, request, body, response)
      case 'GET':
        return this.get(this.stored(key), request.headers.range, response)
      case 'DELETE':
        this.objects.delete(key)
        return void response.writeHead(204).end()
      default:
        throw new Refusal(405, 'MethodNotAllowed')
    }
  }

  private put(key: string, { headers }: IncomingMessage, body: Buffer, response: ServerResponse): void {
    const source = headers['x-amz-copy-source']
    if (source !== undefined) {
      const [bucket, ...from] = decodeURIComponent(String(source)).replace(/^\//, '').split('/')
      if (bucket !== BUCKET) throw new Refusal(404, 'NoSuchBucket')
      this.objects.set(key, { bytes: this.stored(from.join('/')).bytes, at: Date.now() })
      return void response.end(xml('CopyObjectResult', '<ETag>"x"</ETag>'))
    }
    const checksum = headers['x-amz-checksum-sha256']
    if (checksum !== undefined && checksum !== createHash('sha256').update(body).digest('base64')) {
      throw new Refusal(400, 'BadDigest')
    }
    if (headers['content-length'] === undefined) throw new Refusal(411, 'MissingContentLength')
    this.objects.set(key, { bytes: body, at: Date.now() })
    response.end()
  }

  private get({ bytes }: Stored, range: string | undefined, response: ServerResponse): void {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(range ?? '') ?? []
    if (from === undefined) return void response.writeHead(200, { 'content-length': bytes.length }).end(bytes)
    const part = bytes.subarray(Number(from), Number(to) + 1)
    if (part.length === 0) throw new Refusal(416, 'InvalidRange')
    const shown = `bytes ${from}-${Number(from) + part.length - 1}/${bytes.length}`
    response.writeHead(206, { 'content-length': part.length, 'content-range': shown }).end(part)
  }

  private list(query: URLSearchParams, response: ServerResponse): void {
    if (query.get('list-type') !== '2') throw new Refusal(501, 'NotImplemented')
    const after = query.get('continuation-token') ?? ''
    const keys = [...this.objects.keys()]
      .filter((key) => key.startsWith(query.get('prefix') ?? '') && key > after)
      .sort()
    const shown = keys.slice(0, Math.min(Number(query.get('max-keys') ?? 1_000), this.options.pageSize ?? 1_000))
    const contents = shown.map((key) => {
      const { bytes, at } = this.stored(key)
      const fields = `<Key>${key}</Key><Size>${bytes.length}</Size><LastModified>${new Date(at).toISOString()}</LastModified>`
      return `<Contents>${fields}</Contents>`
    })
    const more = shown.length < keys.length
    const next = more ? `<NextContinuationToken>${shown.at(-1)}</NextContinuationToken>` : ''
    response.end(xml('ListBucketResult', `<IsTruncated>${more}</IsTruncated>${next}${contents.join('')}`))
  }

  private stored(key: string): Stored {
    const stored = this.objects.get(key)
    if (!stored) throw new Refusal(404, 'NoSuchKey')
    return stored
  }
}

/** As the documentation of Signature Version 4 says, from what arrived. */
function checkSignature({ method, url = '', headers }: IncomingMessage, body: Buffer): void {
  const pattern =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=(\w+)$/
  const [, accessKey, day, region, names = '', given = ''] = pattern.exec(headers.authorization ?? '') ?? []
  if (accessKey !== ACCESS_KEY) throw new Refusal(403, 'InvalidAccessKeyId')
  if (region !== REGION) throw new Refusal(400, 'AuthorizationHeaderMalformed')
  const at = String(headers['x-amz-date'])
  const sent = Date.parse(at.replace(/^(....)(..)(..)T(..)(..)(..)Z$/, '$1-$2-$3T$4:$5:$6Z'))
  if (!(Math.abs(Date.now() - sent) < SKEW_MS) || !at.startsWith(day ?? '-'))
    throw new Refusal(403, 'RequestTimeTooSkewed')
  const signed = names.split(';')
  const mustBeSigned = Object.keys(headers).filter((name) => name === 'host' || name.startsWith('x-amz-'))
  if (!mustBeSigned.every((name) => signed.includes(name))) throw new Refusal(403, 'AccessDenied')
  const content = String(headers['x-amz-content-sha256'])
  if (content !== sha256(body)) throw new Refusal(400, 'XAmzContentSHA256Mismatch')

  const [path = '', search = ''] = url.split('?')
  const query = search === '' ? [] : search.split('&').map((pair) => (pair.includes('=') ? pair : `${pair}=`))
  const lines = signed.map((name) => `${name}:${String(headers[name]).trim().replace(/ +/g, ' ')}\n`).join('')
  const canonical = [method, path, query.sort().join('&'), lines, names, content].join('\n')
  const scope = `${day}/${region}/s3/aws4_request`
  const text = ['AWS4-HMAC-SHA256', at, scope, sha256(canonical)].join('\n')
  const parts = [day ?? '', region, 's3', 'aws4_request']
  const key = parts.reduce<string | Buffer>((secret, part) => hmac(secret, part).digest(), `AWS4${SECRET}`)
  const expected = Buffer.from(hmac(key, text).digest('hex'))
  const actual = Buffer.from(given)
  if (actual.length !== expected.length || !timingSafeEqual(actual, expected)) {
    throw new Refusal(403, 'SignatureDoesNotMatch')
  }
}

const sha256 = (data: string | Buffer) => createHash('sha256').update(data).digest('hex')
const hmac = (key: string | Buffer, data: string) => createHmac('sha256', key).update(data)
const xml = (name: string, content: string) => `<?xml version="1.0" encoding="UTF-8"?><${name}>${content}</${name}>`
