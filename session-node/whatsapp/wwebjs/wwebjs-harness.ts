import { createHash } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Content, EventBody, OutgoingMessage } from '../../../proto/contract.js'
import { waMessageId } from '../../../proto/wa-message-id.js'
import { AppError } from '../../../runtime/app-error.js'
import { newId } from '../../../runtime/ids.js'
import { silentLog } from '../../../runtime/log.js'
import type { MediaStore } from '../../media/media-store.js'
import type { ClientEvent, ClientOptions, WhatsAppClient } from '../whatsapp-client.js'
import type { BrowserSettings } from './chromium.js'
import type { Timing } from './timing.js'
import { createWwebjsClient } from './wwebjs-client.js'

/** For tests: clients of the real engine, and what they tell. */
export type Told<Kind extends ClientEvent['kind']> = Extract<ClientEvent, { kind: Kind }>
export type Body<Kind extends EventBody['kind']> = Extract<EventBody, { kind: Kind }>

export interface TestClient {
  client: WhatsAppClient
  told: ClientEvent[]
  next<Kind extends ClientEvent['kind']>(
    kind: Kind,
    test?: (event: Told<Kind>) => boolean,
    timeoutMs?: number,
  ): Promise<Told<Kind>>
  body<Kind extends EventBody['kind']>(kind: Kind, test?: (body: Body<Kind>) => boolean): Promise<Body<Kind>>
  bodies<Kind extends EventBody['kind']>(kind: Kind): Body<Kind>[]
}

/** Files on the disk by hash, as the node keeps them. */
export async function fileStore(folder: string): Promise<MediaStore> {
  await mkdir(folder, { recursive: true })
  const arriving = new Map<string, Promise<unknown>>()
  return {
    async put(bytes) {
      const sha256 = createHash('sha256').update(bytes).digest('hex')
      await writeFile(join(folder, sha256), bytes)
      return { sha256, size: bytes.length }
    },
    expect: (sha256, promise) => void arriving.set(sha256, promise),
    async pathOf(sha256) {
      await arriving.get(sha256)
      const path = join(folder, sha256)
      if (!existsSync(path)) throw new AppError('not_found', 'There is no such file.')
      return path
    },
  }
}

/** A folder with a profile and a media store, and clients on them one after the other. */
export async function createHarness(chromiumArgs: string[], settings: Partial<BrowserSettings> = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'wwebjs-'))
  const media = await fileStore(join(folder, 'media'))
  const profileDir = join(folder, 'profile')
  const started: WhatsAppClient[] = []
  const browser: BrowserSettings = {
    chromiumArgs: [...chromiumArgs, '--disable-quic'],
    noSandbox: process.getuid?.() === 0,
    environment: process.env,
    ...settings,
  }

  return {
    media,
    profileDir,
    userDataDir: join(profileDir, 'chromium'),
    browser,
    client(options: Partial<ClientOptions> = {}, timing: Partial<Timing> = {}): TestClient {
      const heard = listening()
      const client = createWwebjsClient(
        {
          sessionId: newId('ses'),
          engine: 'wwebjs',
          profileDir,
          media,
          clock: Date.now,
          log: silentLog(),
          listener: heard.listener,
          ...options,
        },
        browser,
        timing,
      )
      started.push(client)
      return { client, ...heard }
    },
    async end(): Promise<void> {
      await Promise.all(started.map((client) => client.stop()))
      await rm(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
    },
  }
}
export type Harness = Awaited<ReturnType<typeof createHarness>>

/** As much of the simulator as this needs, which the product does not know. */
interface Phones<Phone> {
  chromiumArgs(): string[]
  whatsapp: { phone(number: string, options: { name: string }): Promise<Phone> }
}

/** A session that is linked to Anna's phone, and Ben who writes to her. */
export async function linkedSession<Phone extends { scan(qr: string): Promise<void> }>(simulator: Phones<Phone>) {
  const harness = await createHarness(simulator.chromiumArgs())
  const anna = await simulator.whatsapp.phone('4915111111111', { name: 'Anna' })
  const ben = await simulator.whatsapp.phone('4915122222222', { name: 'Ben' })
  const session = harness.client()
  await session.client.start()
  await anna.scan((await session.next('qr')).qr)
  await session.next('connected')
  return { harness, session, anna, ben }
}

export function outgoing(to: string, content: Content, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  const id = newId('msg')
  return {
    id,
    waMessageId: waMessageId(id),
    to,
    content,
    mentions: [],
    expiresInMs: 60_000,
    origin: 'api',
    onUnknown: 'resend',
    ...more,
  }
}

export const text = (body: string): Content => ({ type: 'text', text: { body } })

function listening() {
  const told: ClientEvent[] = []
  const waiting = new Set<() => void>()

  async function next<Kind extends ClientEvent['kind']>(
    kind: Kind,
    test: (event: Told<Kind>) => boolean = () => true,
    timeoutMs = 20_000,
  ): Promise<Told<Kind>> {
    const end = Date.now() + timeoutMs
    for (;;) {
      const found = told.find((event): event is Told<Kind> => event.kind === kind && test(event as Told<Kind>))
      if (found) return found
      const left = end - Date.now()
      if (left <= 0)
        throw new Error(`No ${kind} within ${timeoutMs} ms; heard ${told.map((each) => each.kind).join(' ')}`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left)
        waiting.add(() => {
          clearTimeout(timer)
          resolve()
        })
      })
    }
  }

  const bodies = <Kind extends EventBody['kind']>(kind: Kind) =>
    told.flatMap((event) => (event.kind === 'message' && event.body.kind === kind ? [event.body as Body<Kind>] : []))

  return {
    told,
    listener(event: ClientEvent) {
      told.push(event)
      for (const wake of waiting) wake()
      waiting.clear()
    },
    next,
    bodies,
    async body<Kind extends EventBody['kind']>(kind: Kind, test: (body: Body<Kind>) => boolean = () => true) {
      const { body } = await next('message', (event) => event.body.kind === kind && test(event.body as Body<Kind>))
      return body as Body<Kind>
    },
  }
}
