import { z } from 'zod'
import { AppError } from '../../runtime/app-error.js'

/** The query fields of every list. */
export const pageFields = {
  limit: z.coerce.number().int().min(1, 'must be at least 1').max(500, 'must be at most 500').default(100),
  cursor: z.string().min(1).max(512).optional(),
}

export interface Page<Item> {
  data: Item[]
  /** Absent on the last page. */
  nextCursor?: string
}

/** Where a list goes on, opaque to the caller. */
export function encodeCursor(key: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(key)).toString('base64url')
}

export function decodeCursor<Schema extends z.ZodType>(schema: Schema, cursor: string): z.output<Schema> {
  try {
    return schema.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8')))
  } catch (cause) {
    throw new AppError('invalid', 'cursor: was not given by this list.', { reason: 'invalid_cursor', cause })
  }
}

/** A page from `limit + 1` rows: the one too many tells that there is a next page. */
export function page<Row, Item>(
  rows: readonly Row[],
  limit: number,
  present: (row: Row) => Item,
  keyOf: (row: Row) => readonly (string | number)[],
): Page<Item> {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  const more = rows.length > limit && last !== undefined
  return { data: shown.map(present), ...(more ? { nextCursor: encodeCursor(keyOf(last)) } : {}) }
}
