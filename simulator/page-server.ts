import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { extname } from 'node:path'
import QRCode from 'qrcode'
import { generate } from 'selfsigned'
import { WebSocketServer } from 'ws'
import { PageConnection } from './page-connection.js'
import { FAULT_OF, pageOperations } from './page-operations.js'
import { never, wait } from './pause.js'
import { hashIn, pathOf } from './media-store.js'
import type { Whatsapp } from './whatsapp.js'
import type { FaultOperation } from './types.js'

const FILES = new URL('./page/web/', import.meta.url)
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript' }

/** The builds between which WhatsApp's minifier renamed the property of the message key. */
const VERSIONS = { _serialized: '2.3000.1041000000', $1: '2.3000.1042401057' }

type Operations = ReturnType<typeof pageOperations>

/** `https://web.whatsapp.com` on loopback: the page, its media, and its line. */
export class PageServer {
  readonly pages = new Set<PageConnection>()
  #server: Server | undefined
  #operations: Operations

  constructor(private readonly whatsapp: Whatsapp) {
    this.#operations = pageOperations(whatsapp)
  }

  get port(): number {
    return (this.#server?.address() as AddressInfo).port
  }

  async start(): Promise<void> {
    const { private: key, cert } = await generate([{ name: 'commonName', value: 'web.whatsapp.com' }], {
      keyType: 'ec',
    })
    const server = createServer({ key, cert }, (request, response) => void this.#serve(request, response))
    new WebSocketServer({ server, path: '/line', maxPayload: 16 * 1024 * 1024 }).on('connection', (socket, request) => {
      const page = new PageConnection(socket, request.socket.remotePort ?? 0, (asker, op, args) =>
        this.#ask(asker, op, args),
      )
      this.pages.add(page)
      socket.on('close', () => this.#leave(page))
    })
    this.#server = server
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  }

  async stop(): Promise<void> {
    for (const page of this.pages) page.close()
    const server = this.#server
    server?.closeAllConnections()
    await new Promise<void>((resolve) => (server ? server.close(() => resolve()) : resolve()))
  }

  #leave(page: PageConnection): void {
    this.pages.delete(page)
    this.whatsapp.linking.stopWaiting(page)
    page.device?.detach(page)
    this.whatsapp.changes.note()
  }

  async #ask(page: PageConnection, operation: string, args: never): Promise<unknown> {
    const answer = this.#operations[operation as keyof Operations]
    if (!answer)
      throw new Error(`The simulator has no operation ${operation}: write it in simulator/page-operations.ts`)
    const struck = FAULT_OF[operation]
    if (struck && (await this.#strike(struck, page)) === 'null') return null
    return (answer as (page: PageConnection, args: never) => unknown)(page, args)
  }

  /** Lets a planned fault happen: hangs, throws, is late, or says that there shall be no answer. */
  async #strike(op: FaultOperation, page: PageConnection | undefined): Promise<'null' | undefined> {
    const fault = this.whatsapp.faults.take(op, page?.device?.account.number ?? null)
    if (!fault) return undefined
    if (fault.mode === 'hang') return never()
    if (fault.mode === 'fail') throw new Error(`The simulator failed ${op}, as it was told to`)
    if (fault.mode === 'null') return 'null'
    await wait(fault.delayMs ?? 0)
    return undefined
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'https://web.whatsapp.com')
    try {
      if (pathname === '/') return await this.#servePage(response)
      if (pathname === '/qr') return json(response, qrModules(searchParams.get('text') ?? ''))
      if (pathname === '/upload')
        return await this.#takeUpload(request, response, this.#pageWith(searchParams.get('key')))
      if (pathname.startsWith(pathOf(''))) {
        return await this.#serveMedia(request, hashIn(pathname), response, this.#pageWith(searchParams.get('key')))
      }
      await this.#serveFile(pathname, response)
    } catch (error) {
      response.writeHead(500, { 'content-type': 'text/plain' }).end(String(error))
    }
  }

  async #servePage(response: ServerResponse): Promise<void> {
    const { settings, faults } = this.whatsapp
    const fault = faults.take('page', null)
    if (fault?.mode === 'hang') return
    if (fault?.mode === 'fail') return void response.destroy()
    if (fault?.mode === 'slow') await wait(fault.delayMs ?? 0)
    const { keyShape, webVersion, lookupBeforeFirstSend } = settings
    const version = webVersion ?? VERSIONS[keyShape]
    const lineKey = crypto.randomUUID()
    const told = JSON.stringify({ keyShape, version, lookupBeforeFirstSend, lineKey, fault: fault?.mode ?? null })
    const html = await readFile(new URL('index.html', FILES), 'utf8')
    response.writeHead(200, { 'content-type': 'text/html', 'cache-control': 'no-store' })
    response.end(html.replace("'%SIMULATOR%'", () => told))
  }

  async #serveFile(pathname: string, response: ServerResponse): Promise<void> {
    if (!/^\/[a-z-]+\.(js|html)$/.test(pathname)) return void response.writeHead(404).end()
    const content = await readFile(new URL(`.${pathname}`, FILES))
    response.writeHead(200, { 'content-type': TYPES[extname(pathname)], 'cache-control': 'no-store' }).end(content)
  }

  /** The page that an upload or download comes from. */
  #pageWith(lineKey: string | null): PageConnection | undefined {
    return [...this.pages].find((page) => page.lineKey === lineKey)
  }

  async #takeUpload(request: IncomingMessage, response: ServerResponse, page?: PageConnection): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const gone = (await this.#strike('upload', page)) === 'null'
    json(response, { path: gone ? null : pathOf(this.whatsapp.media.put(Buffer.concat(chunks))) })
  }

  async #serveMedia(
    request: IncomingMessage,
    hash: string,
    response: ServerResponse,
    page?: PageConnection,
  ): Promise<void> {
    // A page that only asks whether the media are there has not begun to download them.
    const gone = request.method === 'GET' && (await this.#strike('download', page)) === 'null'
    const bytes = this.whatsapp.media.find(hash)
    if (gone || !bytes) return void response.writeHead(404).end()
    response.writeHead(200, { 'content-type': 'application/octet-stream' }).end(bytes)
  }
}

function json(response: ServerResponse, value: unknown): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}

/** The squares of a QR code, row by row, for the page to draw. */
function qrModules(text: string) {
  const { size, data } = QRCode.create(text, { errorCorrectionLevel: 'L' }).modules
  return { size, modules: [...data].map((bit) => (bit ? '1' : '0')).join('') }
}
