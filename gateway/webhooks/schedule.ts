/** When a delivery is tried again. No I/O. */
/** How long nothing is sent once the breaker is open: at first, and at most. */
export interface BreakerTimes {
  firstMs: number
  mostMs: number
}

/** ms before each attempt; as many as there are attempts. */
export type Schedule = readonly number[]

const [S, M, H] = [1_000, 60_000, 3_600_000]
export const DEFAULT_SCHEDULE: Schedule = [0, 5 * S, 5 * M, 30 * M, 2 * H, 5 * H, 10 * H, 14 * H, 20 * H, 24 * H]

const JITTER = 0.2
const MOST_RETRY_AFTER_MS = 24 * H
const TOO_MANY_MS = 60 * S
const units: Record<string, number> = { ms: 1, s: S, m: M, h: H, d: 24 * H }

/** `0, 5s, 5m, 2h`, or plain numbers of milliseconds. Throws when it is neither. */
export function parseSchedule(text: string): Schedule {
  const delays = text.split(',').map((part) => {
    const [, number, unit = 'ms'] = /^(\d{1,12}(?:\.\d{1,6})?)(ms|s|m|h|d)?$/.exec(part.trim()) ?? []
    const ms = number === undefined ? NaN : Math.round(Number(number) * (units[unit] ?? NaN))
    if (!(ms >= 0 && ms <= 30 * 24 * H)) throw new Error('must be durations such as 0,5s,5m,2h')
    return ms
  })
  if (delays.length > 50) throw new Error('must have at most 50 attempts')
  return delays
}

/** Delay until the next attempt when so many were made; undefined when they are over. Jitter only adds. */
export function nextDelayMs(
  schedule: Schedule,
  made: number,
  { status, retryAfterMs = 0 }: { status?: number; retryAfterMs?: number },
  random: () => number = Math.random,
): number | undefined {
  const planned = schedule[made]
  if (planned === undefined) return undefined
  const least = status === 429 ? Math.max(TOO_MANY_MS, retryAfterMs) : retryAfterMs
  return Math.round(Math.max(planned, least) * (1 + random() * JITTER))
}

/** How long nothing at all is to be sent: when it was too much, the next event is too much, too. */
export function holdMs({ status, retryAfterMs = 0 }: { status?: number; retryAfterMs?: number }): number {
  if (status === 429) return Math.max(TOO_MANY_MS, retryAfterMs)
  return status === 503 ? retryAfterMs : 0
}

/** Seconds or an HTTP date, at most a day; undefined for what is neither, or past. */
export function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  const value = text?.trim() ?? ''
  const isDate = /^(mon|tue|wed|thu|fri|sat|sun)[a-z]*,? .{10,30}$/i.test(value)
  const ms = /^\d{1,10}$/.test(value) ? Number(value) * S : isDate ? Date.parse(value) - now : NaN
  return ms > 0 ? Math.min(ms, MOST_RETRY_AFTER_MS) : undefined
}

/** 30 s, doubled up to 5 min; in the same proportion when the schedule is another. */
export function breakerTimes(schedule: Schedule): BreakerTimes {
  const [first = 5 * S, second = first] = schedule.filter((ms) => ms > 0)
  return { firstMs: 6 * first, mostMs: Math.max(6 * first, second) }
}
