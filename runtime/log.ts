import bunyan from 'bunyan'

export type Logger = bunyan

/** The level names of bunyan. */
export type LogLevel = bunyan.LogLevelString

/**
 * JSON lines on standard output. The message is the name of what happened (`delivery.attempted`), the rest are fields.
 * A full disk or a closed pipe behind standard output must not end the process: such lines are lost.
 */
export function createLog(name: string, level: LogLevel = 'info'): Logger {
  process.stdout.on('error', () => undefined)
  return bunyan.createLogger({ name, level, stream: process.stdout, serializers: { err: bunyan.stdSerializers.err } })
}

/** A log that says nothing, for tests. */
export function silentLog(): Logger {
  return bunyan.createLogger({ name: 'silent', streams: [] })
}
