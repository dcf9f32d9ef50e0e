/**
 * Names are looked up by the threads that files are read and written by, too, and there are four of them. A name whose
 * servers do not answer holds its thread for many seconds: so only a few look-ups go on at once, equal ones together, and
 * who would have to wait for one takes what the name meant a short while ago. Names that took long the last time leave
 * one place to the others, so that those who choose such names hold up each other only.
 */
import type { LookupAddress, LookupAllOptions } from 'node:dns'

export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const KEEP_MS = 300_000
const MOST_KEPT = 2_000
/** A name that took so long is slow for a while. */
const SLOW_MS = 2_000
const SLOW_FOR_MS = 3_600_000

type Done = Parameters<Resolve>[2]

export function fewLookups(resolve: Resolve, atOnce: number, now: () => number = () => performance.now()): Resolve {
  const running = new Map<string, Done[]>()
  const waiting: { hostname: string; begin: () => void }[] = []
  const slow = new Map<string, number>()
  const kept = new Map<string, { addresses: LookupAddress[]; until: number }>()
  const busy = { slow: 0, quick: 0 }

  const isSlow = (hostname: string) => (slow.get(hostname) ?? -Infinity) > now()
  const isFree = (hostname: string) =>
    busy.slow + busy.quick < atOnce && (!isSlow(hostname) || busy.slow < Math.max(1, atOnce - 1))

  function begin(key: string, hostname: string, options: LookupAllOptions): void {
    const kind = isSlow(hostname) ? 'slow' : 'quick'
    const begun = now()
    busy[kind] += 1
    resolve(hostname, options, (error, addresses) => {
      busy[kind] -= 1
      if (slow.size >= MOST_KEPT) slow.clear()
      if (now() - begun >= SLOW_MS) slow.set(hostname, now() + SLOW_FOR_MS)
      else slow.delete(hostname)
      if (!error && addresses.length > 0) {
        if (kept.size >= MOST_KEPT) kept.clear()
        kept.set(key, { addresses, until: now() + KEEP_MS })
      }
      const asked = running.get(key) ?? []
      running.delete(key)
      admit()
      for (const done of asked) done(error, addresses)
    })
  }

  function admit(): void {
    for (;;) {
      const next = waiting.findIndex(({ hostname }) => isFree(hostname))
      if (next < 0) return
      waiting.splice(next, 1)[0]?.begin()
    }
  }

  return (hostname, options, done) => {
    const key = `${hostname} ${options.family ?? 0} ${options.hints ?? 0}`
    const known = kept.get(key)
    if ((!isFree(hostname) || running.has(key)) && known && known.until > now()) return done(null, known.addresses)
    const others = running.get(key)
    if (others) {
      others.push(done)
      return
    }
    running.set(key, [done])
    if (isFree(hostname)) begin(key, hostname, options)
    else waiting.push({ hostname, begin: () => begin(key, hostname, options) })
  }
}
