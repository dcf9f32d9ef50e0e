/** What was used, as JSON and as a table. */
import { Readable } from 'node:stream'
import Router from '@koa/router'
import { z } from 'zod'
import type { TenantId } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { isId } from '../../runtime/ids.js'
import type { QuotaState } from '../limits/quota.js'
import { checkScope } from '../http/authenticate.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { handle } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import { type Day, DAY_MS, dayOf, startOf } from './usage.js'
import { usageCsvHead, usageCsvLine } from './usage-csv.js'
import { listUsage, type ListUsage, MOST_DAYS } from './usage-operations.js'
import type { NamedGroup, UsageQuery, UsageReport } from './usage-report.js'
import type { UsageKey } from './usage-report-repository.js'
import { presentUsage } from './usage-shapes.js'

export interface UsageRoutesOptions {
  report: UsageReport
  /** Throws `not_found`. */
  tenantIdOf: (ref: string) => Promise<TenantId>
  /** How a tenant stands today; null without a limit. */
  quotaState: (tenantId: TenantId) => Promise<QuotaState | null>
  /** What is kept for a tenant, and how much may be; null without a limit. */
  mediaState: (tenantId: TenantId) => Promise<{ files: number; bytes: number; limit: number | null }>
  /** By which messages are dated. */
  clock: Clock
}

type Asked = z.output<typeof ListUsage>

const DEFAULT_DAYS = 30
const Key = z.tuple([
  z.string().refine((text) => isId('ten', text)),
  z.string().regex(/^[0-9-]{0,10}$/),
  z.string().refine((text) => text === '' || isId('ses', text)),
])

export function usageRoutes(options: UsageRoutesOptions): ApiRouter {
  const { report, quotaState, mediaState, clock } = options
  const router = new Router<ApiState>()

  handle(router, listUsage, async (ctx, { query: asked }) => {
    const { key } = ctx.state
    const { session, groupBy, limit, cursor } = asked
    const tenantId = await tenantOf(ctx, asked, options)
    const query: UsageQuery = { tenantId, ...rangeOf(asked, clock()), session, groupBy }
    const everyTenant = tenantId === null
    if (wantsCsv(ctx, asked)) {
      ctx.type = 'text/csv; charset=utf-8'
      ctx.attachment(`usage-${query.from}-${query.to}.csv`)
      ctx.body = Readable.from(csvOf(await report.all(key, query), everyTenant))
      return
    }
    const after = cursor === undefined ? {} : { after: keyOf(cursor) }
    const groups = await report.list(key, query, { limit, ...after })
    const quota = tenantId === null ? null : await quotaState(tenantId)
    const media = tenantId === null ? null : await mediaState(tenantId)
    ctx.body = {
      ...page(
        groups,
        limit,
        (group) => presentUsage(group, { everyTenant }),
        ({ tenant, period, session: id }) => [tenant, period, id],
      ),
      ...(media ? { media: { ...media, limit: media.limit ?? undefined } } : {}),
      ...(quota ? { messagesPerDay: { ...quota, resetsAt: new Date(quota.resetsAt).toISOString() } } : {}),
    }
  })

  return router
}

/** Null: every tenant. */
async function tenantOf(ctx: ApiContext, { tenant }: Asked, { tenantIdOf }: UsageRoutesOptions) {
  if (tenant === undefined) return ctx.state.tenantId
  checkScope(ctx.state.key, 'admin')
  return tenant === '*' ? null : tenantIdOf(tenant)
}

function rangeOf(asked: Asked, now: number): { from: Day; to: Day } {
  const to = asked.to ?? dayOf(asked.from ? Math.max(now, startOf(asked.from)) : now)
  const from = asked.from ?? dayOf(startOf(to) - (DEFAULT_DAYS - 1) * DAY_MS)
  if (startOf(to) - startOf(from) < MOST_DAYS * DAY_MS) return { from, to }
  throw new AppError('invalid', `from: must be less than ${MOST_DAYS} days before to.`, { reason: 'invalid_request' })
}

function wantsCsv(ctx: ApiContext, { format }: Asked): boolean {
  if (format) return format === 'csv'
  return ctx.accepts('application/json', 'text/csv') === 'text/csv'
}

async function* csvOf(pages: AsyncIterable<NamedGroup[]>, everyTenant: boolean): AsyncGenerator<string> {
  yield usageCsvHead
  for await (const groups of pages) {
    yield groups.map((group) => usageCsvLine(presentUsage(group, { everyTenant }))).join('')
  }
}

function keyOf(cursor: string): UsageKey {
  const [tenant, period, session] = decodeCursor(Key, cursor)
  return { tenant: tenant as TenantId, period, session: session as UsageKey['session'] }
}
