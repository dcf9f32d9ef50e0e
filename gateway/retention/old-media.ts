import type { Database } from '../db/database.js'
import { change, inList, timeValue } from '../db/rows.js'
import type { MediaFiles } from '../media/media-files.js'
import type { MediaId } from '../messages/message.js'
import type { Trimming } from './retention.js'

const AT_ONCE = 100

interface OldFile {
  id: MediaId
  old: number | boolean
}

/** Files with their rows, oldest first: their ids are in the order of time. Those that are still to be sent stay. */
export class OldMedia implements Trimming {
  constructor(
    private readonly db: Database,
    private readonly files: Pick<MediaFiles, 'remove'>,
  ) {}

  async *trim(before: number): AsyncGenerator<number> {
    let after = ''
    for (let full = true; full;) {
      const oldest = await this.oldest(after, before)
      const end = oldest.findIndex(({ old }) => Number(old) === 0)
      const old = (end < 0 ? oldest : oldest.slice(0, end)).map(({ id }) => id)
      full = old.length === AT_ONCE
      after = old.at(-1) ?? after
      if (old.length === 0) return
      const needed = await this.toBeSent()
      const due = old.filter((id) => !needed.has(id))
      if (due.length > 0) yield await this.remove(due)
    }
  }

  private oldest(after: string, before: number): Promise<OldFile[]> {
    return this.db.read((reader) =>
      reader.query(`SELECT id, (created_at < ?) AS old FROM media WHERE id > ? ORDER BY id LIMIT ${AT_ONCE}`, [
        timeValue(this.db.dialect, before),
        after,
      ]),
    )
  }

  /** Files of messages that are not over. */
  private async toBeSent(): Promise<Set<string>> {
    const found: { content: unknown }[] = await this.db.read((reader) =>
      reader.query(
        `SELECT content FROM messages WHERE status IN ('pending', 'unknown') AND direction = 'out'
         AND type NOT IN ('text', 'location', 'contacts', 'poll', 'reaction')`,
      ),
    )
    const texts = found.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)))
    return new Set(texts.flatMap((text) => text.match(/\bmed_[0-9a-z]+/g) ?? []))
  }

  /** Rows first: a file without a row is found by `StrayFiles`, a row without a file would promise what is not there. */
  private async remove(ids: readonly MediaId[]): Promise<number> {
    const removed = await this.db.write((tx) => change(tx, `DELETE FROM media WHERE id IN ${inList(ids)}`, ids))
    for (const id of ids) await this.files.remove(id)
    return removed
  }
}

/** Files of which no row tells: a crash came between the two, or the request that brought them was refused. */
export class StrayFiles implements Trimming {
  constructor(
    private readonly db: Database,
    private readonly files: Pick<MediaFiles, 'remove' | 'olderThan'>,
  ) {}

  async *trim(before: number): AsyncGenerator<number> {
    let some: MediaId[] = []
    for await (const id of this.files.olderThan(before)) {
      if (some.push(id) < AT_ONCE) continue
      yield await this.removeStrays(some)
      some = []
    }
    if (some.length > 0) yield await this.removeStrays(some)
  }

  private async removeStrays(ids: readonly MediaId[]): Promise<number> {
    const rows: { id: MediaId }[] = await this.db.read((reader) =>
      reader.query(`SELECT id FROM media WHERE id IN ${inList(ids)}`, [...ids]),
    )
    const known = new Set(rows.map(({ id }) => id))
    const strays = ids.filter((id) => !known.has(id))
    for (const id of strays) await this.files.remove(id)
    return strays.length
  }
}
