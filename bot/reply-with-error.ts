import { type ErrorCode, toAppError } from '../runtime/app-error.js'
import type { Logger } from '../runtime/log.js'
import { type Html, rich } from './telegram/html.js'

type Words = 'message' | ((message: string) => string)

/** What operators are told; `message` stands for what the error itself says. */
const words: Record<ErrorCode, Words> = {
  invalid: 'message',
  unauthenticated: 'message',
  forbidden: 'message',
  not_found: 'message',
  conflict: 'message',
  not_ready: 'message',
  rate_limited: 'message',
  unprocessable: 'message',
  too_slow: 'message',
  too_large: 'message',
  unsupported_type: 'message',
  not_supported: 'message',
  storage_full: 'message',
  gone: 'message',
  not_satisfiable: 'message',
  unavailable: (message) => `${message} Try again in a moment; /nodes shows who answers.`,
  timeout: (message) => `${message} It may still happen; /status tells.`,
  internal: () => 'Something broke. The log has the details.',
}

/** Every failed command ends here. */
export function errorReply(thrown: unknown, log: Logger, what: Record<string, unknown>): Html {
  const error = toAppError(thrown)
  if (error.code === 'internal') log.error({ err: error.cause ?? error, ...what }, 'command.failed')
  else log.info({ code: error.code, reason: error.reason, ...what }, 'command.refused')
  const say = words[error.code]
  return rich`⚠️ ${say === 'message' ? error.message : say(error.message)}`
}
