import { Brackets, type EntityManager, IsNull, Not } from 'typeorm'
import type { NodeId, SessionId, SessionStatus, TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Database } from '../db/database.js'
import { isDuplicate } from '../db/database-errors.js'
import { GroupedReads } from '../db/grouped-reads.js'
import { Remembered } from '../db/remembered.js'
import { selectFields, selectRows } from '../db/rows.js'
import { oneOf, query } from '../db/statements.js'
import { isSessionId, isSessionName, liveStatuses, type Session, type SessionPlace, type Wanted } from './session.js'
import { sessionTable } from './session-table.js'

export interface SessionFilter {
  status?: SessionStatus | undefined
  /** Whose sessions read `disconnected`, whatever their rows say. */
  silentNodes: NodeId[]
  /** The ids a key is limited to. */
  ids?: string[] | undefined
}

/** How a session is asked for: tenant, and id or name. */
type LiveKey = `${TenantId} ${string}`

/** So long what another gateway changes may go unseen where many messages are taken on. */
const TRUST_MS = 1_000

export class SessionRepository {
  private readonly live = new GroupedReads<LiveKey, Session>((keys) => this.findAllLive(keys))
  private readonly recent = new Remembered<LiveKey, Session>(
    TRUST_MS,
    async (key) => (await this.live.read(key)) ?? null,
  )

  constructor(private readonly db: Database) {}

  /**
   * Throws `conflict` when the tenant has a session of this name. `before` and `after` it stands, in the same
   * transaction.
   */
  async add(
    session: Session,
    before?: (tx: EntityManager) => Promise<void>,
    after?: (tx: EntityManager) => Promise<void>,
  ): Promise<void> {
    try {
      await this.db.write(async (tx) => {
        await before?.(tx)
        await tx.insert(sessionTable, session)
        await after?.(tx)
      })
    } catch (error) {
      if (!isDuplicate(error)) throw error
      throw new AppError('conflict', `There is a session called '${session.name}' already.`, {
        reason: 'session_exists',
        cause: error,
      })
    }
  }

  /** Deleted ones too. */
  find(id: SessionId): Promise<Session | null> {
    return this.one('WHERE id = ?', [id])
  }

  /** Deleted ones too. */
  findAll(ids: readonly SessionId[]): Promise<Session[]> {
    return this.db.read((reader) => this.byIds(reader, ids))
  }

  private async one(condition: string, values: readonly unknown[]): Promise<Session | null> {
    const [session] = await this.db.read((reader) => selectRows(reader, sessionTable, condition, values))
    return session ?? null
  }

  /** By id or name, among those that exist. */
  async findLive(tenantId: TenantId, ref: string): Promise<Session | null> {
    // MySQL answers with an error, not with nothing, when a column of ASCII is asked for something else.
    if (!isSessionId(ref) && !isSessionName(ref)) return null
    return (await this.live.read(`${tenantId} ${ref}`)) ?? null
  }

  /** The same as it was a second ago at most, for every message; what is changed here is true at once. */
  async findRecent(tenantId: TenantId, ref: string): Promise<Session | null> {
    if (!isSessionId(ref) && !isSessionName(ref)) return null
    return this.recent.find(`${tenantId} ${ref}`)
  }

  private findAllLive(keys: readonly LiveKey[]): Promise<Map<LiveKey, Session>> {
    const asked = keys.map((key) => key.split(' ') as [TenantId, string])
    const isAsked = new Set<string>(keys)
    return this.db.read(async (reader) => {
      const found = new Map<LiveKey, Session>()
      for (const tenantId of new Set(asked.map(([tenant]) => tenant))) {
        const refs = oneOf(asked.flatMap(([tenant, ref]) => (tenant === tenantId ? ref : [])))
        for (const column of ['live_name', 'id']) {
          if (!refs.values.some((ref) => isSessionId(String(ref)) === (column === 'id'))) continue
          const condition = `WHERE tenant_id = ? AND ${column} ${refs.sql} AND live_name IS NOT NULL`
          for (const session of await selectRows(reader, sessionTable, condition, [tenantId, ...refs.values])) {
            const byRef = [`${tenantId} ${session.id}`, `${tenantId} ${session.name}`] as const
            for (const key of byRef) if (isAsked.has(key)) found.set(key, session)
          }
        }
      }
      return found
    })
  }

  /** Whether another session, of whichever tenant and node, has this number linked as far as is known. */
  async isLinkedElsewhere(phone: string, id: SessionId): Promise<boolean> {
    const others = await this.db.read((reader) =>
      selectRows(reader, sessionTable, 'WHERE phone = ? AND id <> ? AND live_name IS NOT NULL', [phone, id]),
    )
    return others.some(({ connectedAt, status, reason }) => {
      const isUnlinked = ['created', 'qr_pending', 'logged_out'].includes(status) || reason === 'qr_expired'
      return connectedAt !== null && !isUnlinked
    })
  }

  list(
    tenantId: TenantId,
    filter: SessionFilter,
    page: { limit: number; after: string | undefined },
  ): Promise<Session[]> {
    return this.db.read((reader) => {
      const query = reader.createQueryBuilder(sessionTable, 's').where({ tenantId, liveName: Not(IsNull()) })
      if (page.after !== undefined) query.andWhere('s.id > :after', { after: page.after })
      if (filter.ids) query.andWhere('s.id IN (:...ids)', { ids: filter.ids.length > 0 ? filter.ids : [''] })
      const { status, silentNodes } = filter
      if (status !== undefined) {
        const silent = silentNodes.length > 0 && 's.nodeId IN (:...silentNodes) AND s.status IN (:...liveStatuses)'
        query.andWhere(
          new Brackets((either) => {
            either.where(silent ? `s.status = :status AND NOT (${silent})` : 's.status = :status')
            if (silent && status === 'disconnected') either.orWhere(silent)
          }),
          { status, silentNodes, liveStatuses },
        )
      }
      return query.orderBy('s.id').take(page.limit).getMany()
    })
  }

  /** Those of a tenant that exist, also the ones being deleted. */
  ofTenant(tenantId: TenantId): Promise<Session[]> {
    return this.db.read((reader) =>
      selectRows(reader, sessionTable, 'WHERE tenant_id = ? AND live_name IS NOT NULL ORDER BY id', [tenantId]),
    )
  }

  /** How many of a tenant exist. */
  async count(tx: EntityManager, tenantId: TenantId): Promise<number> {
    const sql = 'SELECT COUNT(*) AS count FROM sessions WHERE tenant_id = ? AND live_name IS NOT NULL'
    const [row] = await query<{ count: number | string }>(tx, sql, [tenantId])
    return Number(row?.count ?? 0)
  }

  /** Those of a node that exist, also the ones being deleted. */
  ofNode(nodeId: NodeId): Promise<Session[]> {
    return this.db.read((reader) => reader.findBy(sessionTable, { nodeId, liveName: Not(IsNull()) }))
  }

  /** Which nodes the sessions of a tenant are on. */
  async nodesOf(tenantId: TenantId): Promise<NodeId[]> {
    const rows = await this.db.read((reader) =>
      reader
        .createQueryBuilder(sessionTable, 's')
        .select('s.nodeId', 'nodeId')
        .distinct(true)
        .where({ tenantId, liveName: Not(IsNull()) })
        .getRawMany<{ nodeId: NodeId }>(),
    )
    return rows.map(({ nodeId }) => nodeId)
  }

  async byIds(tx: EntityManager, ids: readonly SessionId[]): Promise<Session[]> {
    if (ids.length === 0) return []
    const { sql, values } = oneOf(ids)
    return selectRows(tx, sessionTable, `WHERE id ${sql}`, values)
  }

  /** Where these are, deleted ones too: read with every batch of messages, so no more than that. */
  async placesOf(tx: EntityManager, ids: readonly SessionId[]): Promise<SessionPlace[]> {
    if (ids.length === 0) return []
    const { sql, values } = oneOf(ids)
    const fields = ['id', 'tenantId', 'nodeId', 'wanted', 'connectedAt'] as const
    return selectFields(tx, sessionTable, fields, `WHERE id ${sql}`, values)
  }

  async idsOn(tx: EntityManager, nodeId: NodeId): Promise<SessionId[]> {
    const rows = await tx.find(sessionTable, { where: { nodeId, liveName: Not(IsNull()) }, select: { id: true } })
    return rows.map(({ id }) => id)
  }

  findIn(tx: EntityManager, id: SessionId): Promise<Session | null> {
    return tx.findOneBy(sessionTable, { id })
  }

  async update(tx: EntityManager, id: SessionId, change: Partial<Session>): Promise<void> {
    // A text of JSON is what TypeORM's update type cannot see behind a field.
    await tx.update(sessionTable, { id }, change as object)
    this.changed(tx)
  }

  /** Compare-and-set on when the status last changed: an event that came meanwhile knows better. */
  async updateStatus(id: SessionId, seen: Date, change: Partial<Session>): Promise<void> {
    await this.db.write(async (tx) => {
      await tx.update(sessionTable, { id, changedAt: seen }, change as object)
      this.changed(tx)
    })
  }

  /** Answers false when the session is gone or being deleted. */
  async want(id: SessionId, wanted: Exclude<Wanted, 'deleted'>): Promise<boolean> {
    return this.db.write(async (tx) => {
      const { affected } = await tx.update(sessionTable, { id, wanted: Not('deleted') }, { wanted })
      this.changed(tx)
      return affected === 1
    })
  }

  async wantDeleted(id: SessionId): Promise<void> {
    await this.db.write(async (tx) => {
      await tx.update(sessionTable, { id, liveName: Not(IsNull()) }, { wanted: 'deleted' })
      this.changed(tx)
    })
  }

  /** The row stays for its messages; its name is free. Answers false when another was quicker. */
  async markDeleted(tx: EntityManager, id: SessionId, at: Date): Promise<boolean> {
    const { affected } = await tx.update(
      sessionTable,
      { id, liveName: Not(IsNull()) },
      { liveName: null, deletedAt: at, wanted: 'deleted', status: 'stopped', reason: 'stopped_by_request' },
    )
    this.changed(tx)
    return affected === 1
  }

  /** For a session that never came to be: nothing can refer to it. */
  async forget(id: SessionId): Promise<void> {
    await this.db.write(async (tx) => {
      await tx.delete(sessionTable, { id })
      this.changed(tx)
    })
  }

  private changed(tx: EntityManager): void {
    this.db.afterCommit(tx, () => this.recent.forget())
  }
}
