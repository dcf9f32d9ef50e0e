import bunyan from 'bunyan'

export type Logger = bunyan

/** The level names of bunyan. */
export type LogLevel = bunyan.LogLevelString

/** JSON lines on standard output. The message is the name of what happened (`delivery.attempted`), the rest are fields. */
export function createLog(name: string, level: LogLevel = 'info'): Logger {
  const stream = wholeLines(process.stdout)
  return bunyan.createLogger({ name, level, stream, serializers: { err: bunyan.stdSerializers.err } })
}

/**
 * A full disk or a closed pipe behind standard output must not end the process: such lines are lost. The first one after
 * them begins on a line of its own, whatever part of another was still written.
 */
function wholeLines(output: NodeJS.WriteStream): NodeJS.WritableStream {
  let torn = false
  output.on('error', () => undefined)
  const write = (line: string) => {
    const text = torn ? `\n${line}` : line
    torn = false
    return output.write(text, (error) => {
      if (error) torn = true
    })
  }
  return { write } as NodeJS.WritableStream
}

/** A log that says nothing, for tests. */
export function silentLog(): Logger {
  return bunyan.createLogger({ name: 'silent', streams: [] })
}
