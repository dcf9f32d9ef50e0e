import Router from '@koa/router'
import { z } from 'zod'
import type { TenantId } from '../../proto/contract.js'
import type { ApiRouter, ApiState } from '../http/context.js'
import { handle } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import type { AuditId, AuditLine } from './audit-line.js'
import type { AuditLog } from './audit-log.js'
import { listAudit, reportAction } from './audit-operations.js'

const AfterId = z.tuple([z.string().startsWith('aud_')])

export function auditRoutes({ audit }: { audit: AuditLog }): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, listAudit, async (ctx, { query: { limit, cursor, tenant, ...filter } }) => {
    const before = cursor === undefined ? undefined : (decodeCursor(AfterId, cursor)[0] as AuditId)
    const rows = await audit.list({ ...filter, tenantId: tenant as TenantId | undefined }, { limit: limit + 1, before })
    ctx.body = page(rows, limit, presentLine, ({ id }) => [id])
  })

  handle(router, reportAction, async (ctx, { body }) => {
    const { id, action, tenant, target, at } = body
    const tenantId = tenant as TenantId
    await audit.report(ctx, { id: id as AuditId, action, tenantId, target, at: new Date(at) })
    ctx.status = 204
  })

  return router
}

function presentLine(line: AuditLine) {
  const { id, at, actor, keyId, address, action, tenantId, target, outcome, requestId, traceId } = line
  return {
    id,
    at: at.toISOString(),
    actor,
    ...(keyId ? { key: keyId } : {}),
    ...(address ? { address } : {}),
    action,
    tenant: tenantId,
    ...(target ? { target } : {}),
    outcome: outcome ?? 'unknown',
    ...(requestId ? { requestId } : {}),
    ...(traceId ? { trace: traceId } : {}),
  }
}
