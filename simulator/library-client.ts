import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import wweb, { type Client, type ClientOptions, type Message } from 'whatsapp-web.js'
import type { Phone, Simulator } from './simulator.js'

/** Everything offline, and only what a page needs. Without a sandbox only for root, who cannot have one. */
const FLAGS = [
  ...(process.getuid?.() === 0 ? ['--no-sandbox'] : []),
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // Renderers that Chromium starts for itself cost more than the page under test.
  '--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup,SpareRendererForSitePerProcess',
  '--enable-features=NetworkServiceInProcess2',
  '--disable-software-rasterizer',
  '--disable-extensions',
]

const EVENTS = `qr code authenticated auth_failure ready disconnected change_state loading_screen message message_create
  message_ack message_edit message_reaction message_revoke_everyone message_revoke_me media_uploaded unread_count
  group_join group_leave group_update group_admin_changed call vote_update`.split(/\s+/)

interface Heard {
  name: string
  args: unknown[]
}

/** The real whatsapp-web.js in a real Chromium, for tests of the simulator. Remembers all events from the start on. */
export class LibraryClient {
  readonly client: Client
  readonly heard: Heard[] = []
  /** Injections that are still under way: the browser is not closed under them, as the library leaves them unhandled. */
  #injecting = new Set<Promise<unknown>>()
  #closing = false
  #pipe: unknown
  #wake = new Set<() => void>()

  constructor(simulator: Pick<Simulator, 'chromiumArgs'>, profile: string, options: ClientOptions = {}) {
    this.client = new wweb.Client({
      authStrategy: new wweb.LocalAuth({ dataPath: profile }),
      webVersionCache: { type: 'none' },
      puppeteer: {
        pipe: true,
        executablePath: process.env.CHROMIUM_PATH ?? '/usr/bin/chromium',
        protocolTimeout: 30_000,
        args: [...FLAGS, ...simulator.chromiumArgs()],
      },
      ...options,
    })
    for (const name of EVENTS) this.client.on(name, (...args: unknown[]) => this.#hear(name, args))
    const client = this.client as unknown as { inject(): Promise<unknown>; initWebVersionCache(): Promise<void> }
    // Reads each answer of the page for a cache that is off, and leaves it unhandled when the page has gone meanwhile.
    client.initWebVersionCache = () => Promise.resolve()
    const inject = client.inject.bind(client)
    client.inject = () => {
      this.#expectBrokenPipe()
      return this.#track(inject())
    }
  }

  /** Resolves once the library has put itself in: a QR code is shown, or the session is about to be ready. */
  async open(): Promise<this> {
    await this.client.initialize()
    return this
  }

  async close(): Promise<void> {
    this.#closing = true
    await Promise.allSettled(this.#injecting)
    await this.client.destroy()
  }

  /** Kills the browser as a crash of the machine would. */
  async kill(): Promise<void> {
    const child = this.client.pupBrowser?.process()
    if (!child || child.exitCode !== null) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** The arguments of the first such event that passes the test, past or to come. */
  async event(name: string, test: (...args: never[]) => boolean = () => true, timeoutMs = 20_000): Promise<unknown[]> {
    const deadline = Date.now() + timeoutMs
    for (;;) {
      const found = this.heard.find((each) => each.name === name && test(...(each.args as never[])))
      if (found) return found.args
      if (Date.now() >= deadline) throw new Error(`No ${name} within ${timeoutMs} ms; heard ${this.names().join(' ')}`)
      await new Promise<void>((resolve) => {
        this.#wake.add(resolve)
        setTimeout(resolve, deadline - Date.now()).unref()
      })
    }
  }

  async qr(): Promise<string> {
    return (await this.event('qr'))[0] as string
  }

  async message(body: string): Promise<Message> {
    return (await this.event('message', (message: Message) => message.body === body))[0] as Message
  }

  /** Waits for this ack of the message with this inner id. */
  async ack(id: string, ack: number): Promise<void> {
    await this.event('message_ack', (message: Message, level: number) => message.id.id === id && level === ack)
  }

  names(): string[] {
    return this.heard.map(({ name }) => name)
  }

  count(name: string): number {
    return this.heard.filter((each) => each.name === name).length
  }

  /** Runs in the page, where whatsapp-web.js has its helpers. */
  evaluate<Result>(code: string): Promise<Result> {
    const page = this.client.pupPage
    if (!page) throw new Error('The client has no page')
    return page.evaluate(code) as Promise<Result>
  }

  /**
   * Puppeteer stops listening for errors of its pipe when the browser closes, and a write that is under way then ends as
   * an uncaught EPIPE. The library closes the browser by itself, so no order of calls here can avoid that.
   */
  #expectBrokenPipe(): void {
    const pipe = this.client.pupBrowser?.process()?.stdio[3]
    if (!pipe || pipe === this.#pipe) return
    this.#pipe = pipe
    pipe.on('error', () => undefined)
  }

  #hear(name: string, args: unknown[]): void {
    this.heard.push({ name, args })
    for (const wake of this.#wake) wake()
    this.#wake.clear()
  }

  /** An injection that the end of the browser cuts short has no one left to tell; any other failure is the caller's. */
  async #track(work: Promise<unknown>): Promise<unknown> {
    this.#injecting.add(work)
    try {
      return await work
    } catch (error) {
      if (this.#closing) return undefined
      throw error
    } finally {
      this.#injecting.delete(work)
    }
  }
}

/** A client that is linked to this phone and ready, with a profile of its own. */
export async function linkedClient(simulator: Simulator, phone: Phone, options: ClientOptions = {}) {
  const profile = await newProfile()
  const library = await new LibraryClient(simulator, profile.path, options).open()
  await phone.scan(await library.qr())
  await library.event('ready')
  return Object.assign(library, {
    profile: profile.path,
    async end(): Promise<void> {
      await library.close()
      await profile.remove()
    },
  })
}

export type LinkedClient = Awaited<ReturnType<typeof linkedClient>>

/** A folder for one browser profile, and how to be rid of it. */
export async function newProfile(): Promise<{ path: string; remove(): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'simulator-'))
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 }) }
}
