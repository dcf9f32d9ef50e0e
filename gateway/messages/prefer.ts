/** `Prefer: wait=N` (RFC 7240): how long the caller likes to wait for the answer. */
const MOST_SECONDS = 30

/** Seconds, at most 30; undefined when nothing of the kind is asked. What cannot be understood is not a preference. */
export function preferredWait(header: string): number | undefined {
  for (const preference of header.split(',')) {
    const [, seconds] = /^\s*wait\s*=\s*"?(\d{1,6})"?\s*(?:;.*)?$/i.exec(preference) ?? []
    if (seconds !== undefined) return Math.min(Number(seconds), MOST_SECONDS)
  }
  return undefined
}
