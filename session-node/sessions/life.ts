import { sleep } from '../../runtime/clock.js'
import type { Logger } from '../../runtime/log.js'
import type { Reason } from '../../proto/reasons.js'
import { AppError } from '../../runtime/app-error.js'
import type { ClientEvent, ClientOptions, Usage, WhatsAppClient } from '../whatsapp/whatsapp-client.js'
import type { LaunchGate } from './launch-gate.js'
import type { MakeClient } from './session-world.js'
import type { Timing } from './timing.js'

export interface LifeOptions {
  generation: number
  client: Omit<ClientOptions, 'listener' | 'log'>
  makeClient: MakeClient
  /** None for engines without a browser. */
  gate: LaunchGate | undefined
  timing: Timing
  log: Logger
  onLaunching: () => void
  onEvent: (event: ClientEvent) => void
  isConnected: () => boolean
}

/**
 * One generation of a session: one client from its launch to the proof that it is gone. Once it has ended, nothing that
 * its client still says is heard.
 */
export class Life {
  client: WhatsAppClient | undefined
  /** As of the last probe; undefined before, and without a browser. */
  usage: Usage | undefined
  private readonly ending = new AbortController()
  private watchdog: NodeJS.Timeout | undefined
  private failedProbes = 0
  private activeAt = performance.now()

  constructor(private readonly options: LifeOptions) {}

  get generation(): number {
    return this.options.generation
  }

  get ended(): boolean {
    return this.ending.signal.aborted
  }

  /** Returns at once; what happens is told by events. */
  begin(): void {
    void this.launch()
    void this.probe()
  }

  /** From here on it is silent. `teardown` follows. */
  end(): void {
    this.ending.abort()
    clearTimeout(this.watchdog)
  }

  /** Throws `unavailable` when the client cannot be proven gone: no other may be launched then. */
  async teardown(): Promise<void> {
    this.end()
    await this.client?.stop()
  }

  private async launch() {
    const { gate, makeClient, client, onLaunching, log, generation } = this.options
    const leave = gate ? await gate.enter(this.ending.signal) : () => undefined
    if (!leave) return
    try {
      onLaunching()
      const made = await makeClient({
        ...client,
        log: log.child({ generation }),
        listener: (event) => this.hear(event),
      })
      if (this.ended) return
      this.client = made
      this.guard(this.options.timing.launchMs, 'launch_failed', 'no QR and no link in time')
      await made.start()
    } catch (err) {
      const reason = err instanceof AppError && isReason(err.reason) ? err.reason : 'launch_failed'
      if (!this.ended) log.warn({ err, generation }, 'session.launch_failed')
      this.hear({ kind: 'died', reason, detail: err instanceof Error ? err.message : String(err) })
    } finally {
      leave()
    }
  }

  private hear(event: ClientEvent) {
    if (this.ended) return
    if (event.kind === 'authenticated' && !this.options.isConnected()) {
      this.guard(this.options.timing.readyMs, 'ready_timeout', 'not connected in time after the link')
    } else if (event.kind === 'ack' || event.kind === 'message') {
      this.activeAt = performance.now()
    } else {
      clearTimeout(this.watchdog)
    }
    this.options.onEvent(event)
  }

  private guard(ms: number, reason: Reason, detail: string) {
    clearTimeout(this.watchdog)
    this.watchdog = setTimeout(() => this.hear({ kind: 'died', reason, detail }), ms)
  }

  private async probe() {
    const { timing, isConnected } = this.options
    const { signal } = this.ending
    while (!signal.aborted) {
      await sleep(timing.probeMs, signal)
      const { client } = this
      if (signal.aborted || !client) continue
      if (isConnected()) await this.checkAlive(client)
      if (!signal.aborted) await this.checkMemory(client)
    }
  }

  private async checkAlive(client: WhatsAppClient) {
    const { timing, log, generation } = this.options
    const probe = await client.probe()
    this.failedProbes = probe.alive ? 0 : this.failedProbes + 1
    if (probe.alive) return
    const { reason, detail } = probe
    log.warn({ generation, failures: this.failedProbes, reason, detail }, 'session.probe_failed')
    if (this.failedProbes >= timing.probeFailures) this.hear({ kind: 'died', reason, detail })
  }

  private async checkMemory(client: WhatsAppClient) {
    const { timing, isConnected } = this.options
    const { memory } = timing
    // Unreadable for a browser that is just ending: its probe tells that.
    this.usage = await client.usage?.().catch(() => undefined)
    if (!isConnected()) return
    const bytes = this.usage?.memoryBytes ?? 0
    const idle = performance.now() - this.activeAt >= memory.idleMs
    if (bytes <= (idle ? memory.softBytes : memory.hardBytes)) return
    this.hear({ kind: 'died', reason: 'memory_limit', detail: `the browser took ${Math.round(bytes / 2 ** 20)} MiB` })
  }
}

const launchReasons = ['browser_missing', 'browser_crashed', 'page_crashed', 'ready_timeout', 'launch_failed'] as const

function isReason(reason: string): reason is (typeof launchReasons)[number] {
  return launchReasons.some((known) => known === reason)
}
