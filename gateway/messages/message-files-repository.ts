import type { TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import type { MediaId } from './message.js'

/** Outgoing messages that are not over, and can have a file. */
const open = `status IN ('pending', 'unknown') AND direction = 'out'
  AND type NOT IN ('text', 'location', 'contacts', 'poll', 'reaction')`

/** Which files messages still need. */
export class MessageFilesRepository {
  constructor(private readonly db: Database) {}

  /** Of all tenants. */
  async toBeSent(): Promise<Set<string>> {
    const found: { content: unknown }[] = await this.db.read((reader) =>
      reader.query(`SELECT content FROM messages WHERE ${open}`),
    )
    const texts = found.map(({ content }) => (typeof content === 'string' ? content : JSON.stringify(content)))
    return new Set(texts.flatMap((text) => text.match(/\bmed_[0-9a-z]+/g) ?? []))
  }

  async isToBeSent(tenantId: TenantId, id: MediaId): Promise<boolean> {
    const found: unknown[] = await this.db.read((reader) =>
      // An id holds no character that means something to LIKE but the underscore, which fits itself.
      reader.query(`SELECT id FROM messages WHERE tenant_id = ? AND ${open} AND content LIKE ? LIMIT 1`, [
        tenantId,
        `%"${id}"%`,
      ]),
    )
    return found.length > 0
  }
}
