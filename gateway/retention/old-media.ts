import type { Database } from '../db/database.js'
import { inList, timeValue } from '../db/rows.js'
import type { Media } from '../media/media.js'
import type { KeptFile, MediaStore } from '../media/media-store.js'
import type { MediaId } from '../messages/message.js'
import type { Trimmed, Trimming } from './retention.js'

const AT_ONCE = 100

interface OldFile {
  id: MediaId
  old: number | boolean
}

export interface OldMediaOptions {
  db: Database
  media: Pick<Media, 'removeAll'>
  /** Files of messages that are not over. */
  toBeSent: () => Promise<ReadonlySet<string>>
}

/** Files with their rows, oldest first: their ids are in the order of time. Those that are still to be sent stay. */
export class OldMedia implements Trimming {
  constructor(private readonly options: OldMediaOptions) {}

  async *trim(before: number): AsyncGenerator<Trimmed> {
    let after = ''
    for (let full = true; full;) {
      const oldest = await this.oldest(after, before)
      const end = oldest.findIndex(({ old }) => Number(old) === 0)
      const old = (end < 0 ? oldest : oldest.slice(0, end)).map(({ id }) => id)
      full = old.length === AT_ONCE
      after = old.at(-1) ?? after
      if (old.length === 0) return
      const needed = await this.options.toBeSent()
      const due = old.filter((id) => !needed.has(id))
      if (due.length > 0) yield await this.options.media.removeAll(due)
    }
  }

  private oldest(after: string, before: number): Promise<OldFile[]> {
    const { db } = this.options
    return db.read((reader) =>
      reader.query(`SELECT id, (created_at < ?) AS old FROM media WHERE id > ? ORDER BY id LIMIT ${AT_ONCE}`, [
        timeValue(db.dialect, before),
        after,
      ]),
    )
  }
}

/** Files of which no row tells: a crash came between the two, or the request that brought them was refused. */
export class StrayFiles implements Trimming {
  constructor(
    private readonly db: Database,
    private readonly store: Pick<MediaStore, 'remove' | 'olderThan'>,
  ) {}

  async *trim(before: number): AsyncGenerator<Trimmed> {
    let some: KeptFile[] = []
    for await (const file of this.store.olderThan(before)) {
      if (some.push(file) < AT_ONCE) continue
      yield await this.removeStrays(some)
      some = []
    }
    if (some.length > 0) yield await this.removeStrays(some)
  }

  private async removeStrays(files: readonly KeptFile[]): Promise<Trimmed> {
    const ids = files.map(({ id }) => id)
    const rows: { id: MediaId }[] = await this.db.read((reader) =>
      reader.query(`SELECT id FROM media WHERE id IN ${inList(ids)}`, ids),
    )
    const known = new Set(rows.map(({ id }) => id))
    const strays = files.filter(({ id }) => !known.has(id))
    await this.store.remove(strays.map(({ id }) => id))
    return { count: strays.length, bytes: strays.reduce((sum, { size }) => sum + size, 0) }
  }
}
