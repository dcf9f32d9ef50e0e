import { AppError } from '../../../runtime/app-error.js'

/**
 * The promise, or `timeout` after `ms`. What loses the race is still watched, so that its late failure is not an
 * unhandled rejection.
 */
export function within<Value>(promise: Promise<Value>, ms: number, what: string): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new AppError('timeout', `${what} took longer than ${ms} ms.`)), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}

export function isTimeout(thrown: unknown): boolean {
  return thrown instanceof AppError && thrown.code === 'timeout'
}

/** What a library threw, as one short line. Libraries here throw strings, too. */
export function oneLine(thrown: unknown): string {
  const text = thrown instanceof Error ? thrown.message : String(thrown)
  const line = text.split('\n', 1)[0] ?? ''
  return line.length > 300 ? `${line.slice(0, 299)}…` : line
}
