/** Tenants, as admins see them. */
import Router from '@koa/router'
import { z } from 'zod'
import type { ApiRouter, ApiState } from '../http/context.js'
import { handle, routeOf } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import {
  changeTenant,
  createTenant,
  deleteTenant,
  getTenant,
  listTenants,
  presentTenant,
  resumeTenant,
  suspendTenant,
} from './tenant-operations.js'
import type { Tenant } from './tenant.js'
import type { TenantRemoval } from './tenant-removal.js'
import type { Tenants } from './tenants.js'

export interface TenantRoutesOptions {
  tenants: Tenants
  removal: Pick<TenantRemoval, 'begin'>
  keyed: KeyedRequests
  keys: Pick<IdempotencyKeys, 'settle'>
}

const AfterId = z.tuple([z.string()])

export function tenantRoutes({ tenants, removal, keyed, keys }: TenantRoutesOptions): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, createTenant, async (ctx, { body }) => {
    const key = keyed.keyOf(ctx, routeOf(createTenant))
    const answer = (tenant: Tenant) => {
      const location = `/api/v1/tenants/${tenant.id}`
      ctx.status = 201
      ctx.set('Location', location)
      ctx.body = presentTenant(tenant)
      return { made: tenant.id, answer: { status: 201, location, body: ctx.body as unknown } }
    }
    await keyed.once(ctx, key?.asks(body), async (claim) => {
      answer(
        await tenants.create(body, async (tx, made) => {
          if (claim) await keys.settle(tx, claim, answer(made))
        }),
      )
    })
  })

  handle(router, listTenants, async (ctx, { query: { limit, cursor } }) => {
    const [after] = cursor === undefined ? [undefined] : decodeCursor(AfterId, cursor)
    ctx.body = page(await tenants.list(limit + 1, after), limit, presentTenant, ({ id }) => [id])
  })

  handle(router, getTenant, async (ctx, { params }) => {
    ctx.body = presentTenant(await tenants.get(params.tenant))
  })

  handle(router, changeTenant, async (ctx, { params, body }) => {
    ctx.body = presentTenant(await tenants.change(params.tenant, body))
  })

  handle(router, suspendTenant, async (ctx, { params }) => {
    ctx.body = presentTenant(await tenants.suspend(params.tenant))
  })

  handle(router, resumeTenant, async (ctx, { params }) => {
    ctx.body = presentTenant(await tenants.resume(params.tenant))
  })

  handle(router, deleteTenant, async (ctx, { params, query }) => {
    ctx.body = presentTenant(await removal.begin(params.tenant, query.confirm))
    ctx.status = 202
  })

  return router
}
