import { sleep } from '../runtime/clock.js'

/**
 * Waits for a fact: asks again until the answer is not undefined, null or false, and returns it. At the limit it fails
 * with what was waited for and the last thing seen.
 */
export async function until<Fact>(
  what: string,
  ask: () => Promise<Fact | undefined | null | false> | Fact | undefined | null | false,
  { timeoutMs = 30_000, everyMs = 50, seen }: { timeoutMs?: number; everyMs?: number; seen?: () => unknown } = {},
): Promise<Fact> {
  const end = Date.now() + timeoutMs
  for (;;) {
    const fact = await ask()
    if (fact !== undefined && fact !== null && fact !== false) return fact
    if (Date.now() > end) {
      const last = seen ? `; last seen: ${JSON.stringify(seen(), null, 1)?.slice(0, 2_000)}` : ''
      throw new Error(`Not seen within ${timeoutMs} ms: ${what}${last}`)
    }
    await sleep(everyMs)
  }
}
