import type { SessionId, TenantId } from '../../proto/contract.js'
import type { Database } from '../db/database.js'
import { oneOf, query } from '../db/statements.js'
import type { Day, Metric } from './usage.js'

/** What is added up to one. */
export const groupings = ['day', 'month', 'session', 'day,session', 'month,session'] as const
export type Grouping = (typeof groupings)[number]

/** Which group, and its place among the others. */
export interface UsageKey {
  tenant: TenantId
  /** A day or a month; empty where the whole time is one. */
  period: string
  /** Empty where all sessions are one, and for what concerns the tenant as a whole. */
  session: SessionId | ''
}

export interface UsageGroup extends UsageKey {
  amounts: Map<Metric, number>
}

export interface UsageFilter {
  /** Null: every tenant. */
  tenantId: TenantId | null
  from: Day
  to: Day
  sessionIds?: readonly SessionId[] | undefined
  groupBy: Grouping
}

type Condition = [sql: string, values: readonly unknown[]]

export class UsageReportRepository {
  constructor(private readonly db: Database) {}

  /** In the order of their keys, after one; one more than `limit` when there are more. */
  async list(filter: UsageFilter, { limit, after }: { limit: number; after?: UsageKey }): Promise<UsageGroup[]> {
    if (filter.sessionIds?.length === 0) return []
    const columns = columnsOf(filter.groupBy)
    const conditions = [...conditionsOf(filter), ...(after ? [compared(columns, '>', after)] : [])]
    const keys = await this.keys(columns, conditions, limit + 1)
    const last = keys.at(-1)
    if (!last) return []
    const groups = new Map(keys.map((key) => [textOf(key), { ...key, amounts: new Map<Metric, number>() }]))
    for (const row of await this.sums(columns, [...conditions, compared(columns, '<=', last)])) {
      groups.get(textOf(row))?.amounts.set(row.metric, Number(row.amount))
    }
    return [...groups.values()]
  }

  private keys(columns: string[], conditions: Condition[], limit: number): Promise<UsageKey[]> {
    const { where, values } = joined(conditions)
    const named = selected(columns)
    return this.db.read((reader) =>
      query(
        reader,
        `SELECT DISTINCT ${named} FROM usage_counts ${where} ORDER BY 1, 2, 3 LIMIT ${Number(limit)}`,
        values,
      ),
    )
  }

  private sums(columns: string[], conditions: Condition[]) {
    const { where, values } = joined(conditions)
    return this.db.read((reader) =>
      query<UsageKey & { metric: Metric; amount: number | string }>(
        reader,
        `SELECT ${selected(columns)}, metric, SUM(amount) AS amount FROM usage_counts ${where} GROUP BY 1, 2, 3, 4`,
        values,
      ),
    )
  }
}

function columnsOf(groupBy: Grouping): [tenant: string, period: string, session: string] {
  const period = groupBy.startsWith('day') ? 'day' : groupBy.startsWith('month') ? 'SUBSTR(day, 1, 7)' : "''"
  return ['tenant_id', period, groupBy.endsWith('session') ? 'session_id' : "''"]
}

const selected = ([tenant, period, session]: string[]) =>
  `${tenant} AS tenant, ${period} AS period, ${session} AS session`

function conditionsOf({ tenantId, from, to, sessionIds }: UsageFilter): Condition[] {
  const conditions: Condition[] = [['day >= ? AND day <= ?', [from, to]]]
  if (tenantId !== null) conditions.unshift(['tenant_id = ?', [tenantId]])
  if (sessionIds) {
    const { sql, values } = oneOf(sessionIds)
    conditions.push([`session_id ${sql}`, values])
  }
  return conditions
}

function compared(columns: string[], how: '>' | '<=', { tenant, period, session }: UsageKey): Condition {
  return [`(${columns.join(', ')}) ${how} (?, ?, ?)`, [tenant, period, session]]
}

function joined(conditions: Condition[]): { where: string; values: unknown[] } {
  return {
    where: `WHERE ${conditions.map(([sql]) => sql).join(' AND ')}`,
    values: conditions.flatMap(([, values]) => values),
  }
}

const textOf = ({ tenant, period, session }: UsageKey) => `${tenant} ${period} ${session}`
