import type { Database } from '../db/database.js'
import type { Session } from './session.js'

export type SessionGroup = Pick<Session, 'status' | 'wanted' | 'nodeId'> & { count: number }

/** Sessions that exist, counted for the metrics over all tenants. */
export class SessionCountsRepository {
  constructor(private readonly db: Database) {}

  async groups(): Promise<SessionGroup[]> {
    const groups: (Omit<SessionGroup, 'count'> & { count: number | string })[] = await this.db.read((reader) =>
      reader.query(
        `SELECT status, wanted, node_id AS nodeId, COUNT(*) AS count FROM sessions
         WHERE live_name IS NOT NULL GROUP BY status, wanted, node_id`,
      ),
    )
    return groups.map((group) => ({ ...group, count: Number(group.count) }))
  }
}
