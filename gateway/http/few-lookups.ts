/**
 * Names are looked up by the threads that files are read and written by, too, and there are four of them. A name whose
 * servers do not answer holds its thread for many seconds: so only a few look-ups go on at once, equal ones together, and
 * who would have to wait for one takes what the name meant a short while ago.
 */
import type { LookupAddress, LookupAllOptions } from 'node:dns'

export type Resolve = (
  hostname: string,
  options: LookupAllOptions,
  done: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void,
) => void

const KEEP_MS = 300_000
const MOST_KEPT = 2_000

type Done = Parameters<Resolve>[2]

export function fewLookups(resolve: Resolve, atOnce: number, now: () => number = () => performance.now()): Resolve {
  const running = new Map<string, Done[]>()
  const waiting: (() => void)[] = []
  const kept = new Map<string, { addresses: LookupAddress[]; until: number }>()
  let busy = 0

  function begin(key: string, hostname: string, options: LookupAllOptions): void {
    busy += 1
    resolve(hostname, options, (error, addresses) => {
      busy -= 1
      if (!error && addresses.length > 0) {
        if (kept.size >= MOST_KEPT) kept.clear()
        kept.set(key, { addresses, until: now() + KEEP_MS })
      }
      const asked = running.get(key) ?? []
      running.delete(key)
      waiting.shift()?.()
      for (const done of asked) done(error, addresses)
    })
  }

  return (hostname, options, done) => {
    const key = `${hostname} ${options.family ?? 0} ${options.hints ?? 0}`
    const known = kept.get(key)
    if ((busy >= atOnce || running.has(key)) && known && known.until > now()) return done(null, known.addresses)
    const others = running.get(key)
    if (others) {
      others.push(done)
      return
    }
    running.set(key, [done])
    if (busy < atOnce) begin(key, hostname, options)
    else waiting.push(() => begin(key, hostname, options))
  }
}
