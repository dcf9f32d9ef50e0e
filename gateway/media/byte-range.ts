/** Parts of a file, as HTTP asks for them (RFC 9110, 14). No I/O. */
export interface ByteRange {
  start: number
  /** The last byte, not the one after it. */
  end: number
}

export interface RangeRequest {
  range: string
  /** What the caller has a part of; the whole is answered when it is something else. */
  ifRange: string
}

/**
 * The part that is asked for; `whole` when none is, when several are, when it cannot be read, or when the caller's part
 * is of another file.
 */
export function rangeOf(request: RangeRequest, { size, etag }: { size: number; etag: string }) {
  // A date is compared to the second at best, and we tell none: only the tag counts.
  if (request.ifRange !== '' && request.ifRange !== etag) return 'whole'
  const [, from, to] = /^bytes=\s*(\d*)-(\d*)\s*$/i.exec(request.range.trim()) ?? []
  if (from === undefined || to === undefined || (from === '' && to === '')) return 'whole'
  if (from === '') return within(Math.max(0, size - Number(to)), size - 1, size)
  if (to !== '' && Number(to) < Number(from)) return 'whole'
  return within(Number(from), to === '' ? size - 1 : Math.min(Number(to), size - 1), size)
}

function within(start: number, end: number, size: number): ByteRange | 'unsatisfiable' {
  return start < size && start <= end ? { start, end } : 'unsatisfiable'
}
