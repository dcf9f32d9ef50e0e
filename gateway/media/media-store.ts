/** Where the gateway keeps files for good: a folder of its own, or a bucket. */
import type { Readable } from 'node:stream'
import { AppError } from '../../runtime/app-error.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { MediaId } from '../messages/message.js'
import type { ByteRange } from './byte-range.js'
import type { WrittenFile } from './incoming-file.js'

export interface KeptFile {
  id: MediaId
  size: number
}

/**
 * Names are ids of ours, never the caller's. Every store has the same layout (`names`), so that files can be moved from
 * one to another with the tools of either.
 */
export interface MediaStore extends Service {
  /** Takes a written file for good, and durably. Its place among those that arrive is free afterwards. */
  put(id: MediaId, written: WrittenFile): Promise<void>
  /** Throws `gone` (`media_missing`). */
  read(id: MediaId, range?: ByteRange): Promise<Readable>
  /** The same bytes under a second name, so that each can go when it is its time. Throws `gone`. */
  copy(from: MediaId, to: MediaId): Promise<void>
  /** Files that are gone already are no error. */
  remove(ids: readonly MediaId[]): Promise<void>
  /** Those that came before a time, in no order. */
  olderThan(before: number): AsyncIterable<KeptFile>
}

/** Below the folder or prefix. The end of an id is random, so folders fill evenly. */
export const nameOf = (id: MediaId) => `${id.slice(-2)}/${id}`

export function gone(reason?: string | null, cause?: unknown): AppError {
  return new AppError('gone', 'This file is not there any more.', { reason: reason ?? 'media_missing', cause })
}
