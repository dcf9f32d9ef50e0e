import type { Logger } from '../../../runtime/log.js'
import type { Reason } from '../../../proto/reasons.js'
import type { Usage } from '../whatsapp-client.js'
import { within } from './deadline.js'
import type { Browser, Page } from './library.js'
import { browserTree, endBrowserTree, mainProcess, pssBytes } from './process-tree.js'

/** Several signs of one death arrive at once and in any order: the gravest found after this time is its reason. */
const settleMs = 100
const closeMs = 10_000

/** The browser of one life: what it is doing, how it dies, how it is ended. */
export class BrowserLife {
  #browser: Browser | undefined
  #main: number | undefined
  #group: number | undefined
  #pageCrashed = false

  constructor(
    private readonly userDataDir: string,
    private readonly died: (reason: Reason, detail: string) => void,
    private readonly log: Logger,
  ) {}

  get pid(): number | undefined {
    return this.#main
  }

  /** The library notices neither the death of the browser nor that of its page. */
  watch(browser: Browser, page: Page): void {
    this.#browser = browser
    const child = browser.process()
    // Puppeteer starts it as the leader of a group of its own; with a wrapper script that leader is the script.
    this.#group = child?.pid
    this.#main = mainProcess(this.userDataDir) ?? child?.pid
    // Puppeteer stops listening for errors of its pipe when the browser closes. A write that is under way then would be an
    // uncaught EPIPE, which ends the process and with it every other session; the death itself is told below.
    for (const stream of child?.stdio ?? []) stream?.on('error', (err) => this.log.debug({ err }, 'browser.pipe_broke'))
    browser.on('disconnected', () => this.#settle('The connection to the browser ended.'))
    child?.once('exit', (code, signal) => this.#settle(`The browser ended (${signal ?? code}).`))
    page.on('error', (problem) => {
      this.#pageCrashed = true
      this.#settle(problem.message)
    })
    page.on('close', () => this.#settle('The page was closed.'))
  }

  get isAlive(): boolean {
    return this.#browser?.connected === true && this.#main !== undefined && exists(this.#main)
  }

  /** Of the whole browser. */
  async usage(): Promise<Usage> {
    const tree = browserTree(this.userDataDir, this.#group)
    return { memoryBytes: await pssBytes(tree), processes: tree.length }
  }

  /** Lets it write what it holds, then ends what is left. Throws `unavailable` when something of it stays. */
  async end(): Promise<void> {
    if (this.#browser?.connected) {
      await within(this.#browser.close(), closeMs, 'Closing the browser').catch((err: unknown) => {
        this.log.warn({ err }, 'browser.close_failed')
      })
    }
    const left = await endBrowserTree(this.userDataDir, { group: this.#group })
    if (left > 0) this.log.warn({ processes: left }, 'browser.ended_by_signal')
    this.#main = undefined
  }

  #settle(detail: string): void {
    setTimeout(() => {
      if (!this.isAlive) this.died('browser_crashed', detail)
      else if (this.#pageCrashed) this.died('page_crashed', detail)
      else this.died('page_closed', detail)
    }, settleMs)
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
