import type { Logger } from './log.js'
import { SettingsError } from './settings.js'

/** Something that starts and stops. Building one does no I/O; `stop` is safe to call twice and does not throw. */
export interface Service {
  start(): Promise<void>
  stop(): Promise<void>
}

/** Starts parts in order; stops them in reverse, also when a later part fails to start. */
export function inOrder(...parts: Service[]): Service {
  const running: Service[] = []
  async function stop() {
    for (let part = running.pop(); part; part = running.pop()) await part.stop()
  }
  async function start() {
    try {
      for (const part of parts) {
        await part.start()
        running.push(part)
      }
    } catch (error) {
      await stop()
      throw error
    }
  }
  return { start, stop }
}

/**
 * Runs a service as a process: until SIGTERM or SIGINT, then stops it within `graceMs`. A second signal ends at once.
 * The only place that calls `process.exit`.
 */
export async function run(service: Service, log: Logger, { graceMs }: { graceMs: number }): Promise<void> {
  let stopping = false
  const stop = (signal: string) => {
    if (stopping) process.exit(130)
    stopping = true
    log.info({ signal, graceMs }, 'process.stopping')
    const lastResort = setTimeout(() => {
      log.error({ graceMs }, 'process.stop_overdue')
      process.exit(1)
    }, graceMs)
    service.stop().then(
      () => {
        clearTimeout(lastResort)
        log.info('process.stopped')
        process.exit(0)
      },
      (err: unknown) => {
        log.error({ err }, 'process.stop_failed')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // Libraries leave promises behind (puppeteer does when a page goes away); one of them must not end every session.
  process.on('unhandledRejection', (err) => log.error({ err }, 'process.unhandled_rejection'))
  process.on('uncaughtException', (err) => {
    log.fatal({ err }, 'process.uncaught_exception')
    process.exit(1)
  })
  try {
    await service.start()
  } catch (err) {
    log.fatal({ err }, 'process.start_failed')
    process.exit(1)
  }
}

/** The body of a process: settings that cannot be used are told as sentences, not as a stack trace. */
export async function main(body: () => Promise<void>): Promise<void> {
  try {
    await body()
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error
    process.stderr.write(`${error.message}\n`)
    process.exitCode = 1
  }
}
