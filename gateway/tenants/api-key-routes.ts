/** API keys, as admins see them. */
import Router from '@koa/router'
import { z } from 'zod'
import type { TenantId } from '../../proto/contract.js'
import type { Clock } from '../../runtime/clock.js'
import type { ApiContext, ApiRouter, ApiState } from '../http/context.js'
import { handle, routeOf } from '../http/operation.js'
import { decodeCursor, page } from '../http/pagination.js'
import type { IdempotencyKeys } from '../idempotency/idempotency-keys.js'
import type { KeyedRequests } from '../idempotency/keyed-requests.js'
import {
  createApiKey,
  getApiKey,
  listApiKeys,
  presentApiKey,
  revokeApiKey,
  rotateApiKey,
} from './api-key-operations.js'
import type { IssuedKey } from './api-keys.js'
import type { KeyAdministration } from './key-administration.js'
import type { Tenant } from './tenant.js'
import type { Tenants } from './tenants.js'

export interface ApiKeyRoutesOptions {
  administration: KeyAdministration
  tenants: Pick<Tenants, 'get'>
  keyed: KeyedRequests
  keys: Pick<IdempotencyKeys, 'settle'>
  clock: Clock
}

const AfterId = z.tuple([z.string()])

/** The tenant of `X-Tenant`; without it an admin sees all. */
const actingFor = ({ state: { tenantId, key } }: ApiContext): TenantId | undefined =>
  tenantId === key.tenantId ? undefined : tenantId

export function apiKeyRoutes({ administration, tenants, keyed, keys, clock }: ApiKeyRoutesOptions): ApiRouter {
  const router = new Router<ApiState>()

  /** The answer holds the key: it is stored, sealed, in the transaction that makes it, and told again under its name. */
  function answer(ctx: ApiContext, status: 200 | 201, { key, text }: IssuedKey, tenant: Tenant) {
    const location = `/api/v1/api-keys/${key.id}`
    ctx.status = status
    if (status === 201) ctx.set('Location', location)
    ctx.body = { ...presentApiKey(key, tenant, clock()), key: text }
    const at = status === 201 ? { location } : {}
    return { made: key.id, answer: { status, ...at, body: ctx.body as unknown } }
  }

  handle(router, createApiKey, async (ctx, { body }) => {
    const given = keyed.keyOf(ctx, routeOf(createApiKey))
    const wanted = { ...body, tenant: body.tenant ?? ctx.state.tenantId }
    await keyed.once(ctx, given?.asks(wanted), async (claim) => {
      const { tenant, ...made } = await administration.create(wanted, async (tx, issued, owner) => {
        if (claim) await keys.settle(tx, claim, answer(ctx, 201, issued, owner))
      })
      answer(ctx, 201, made, tenant)
    })
  })

  handle(router, listApiKeys, async (ctx, { query: { limit, cursor, tenant } }) => {
    const [after] = cursor === undefined ? [undefined] : decodeCursor(AfterId, cursor)
    const tenantId = tenant === undefined ? actingFor(ctx) : (await tenants.get(tenant)).id
    const found = await administration.list(tenantId, limit + 1, after)
    const owners = new Map<TenantId, Tenant>()
    for (const key of found) owners.set(key.tenantId, owners.get(key.tenantId) ?? (await administration.tenantOf(key)))
    const present = (key: (typeof found)[number]) =>
      presentApiKey(key, owners.get(key.tenantId) ?? { id: key.tenantId, name: '' }, clock())
    ctx.body = page(found, limit, present, ({ id }) => [id])
  })

  handle(router, getApiKey, async (ctx, { params }) => {
    const key = await administration.get(params.id, actingFor(ctx))
    ctx.body = presentApiKey(key, await administration.tenantOf(key), clock())
  })

  handle(router, rotateApiKey, async (ctx, { params, body }) => {
    const given = keyed.keyOf(ctx, routeOf(rotateApiKey))
    await keyed.once(ctx, given?.asks({ ...body, id: params.id }), async (claim) => {
      const key = await administration.get(params.id, actingFor(ctx))
      const { tenant, ...made } = await administration.rotate(
        key,
        body.overlapSeconds * 1_000,
        async (tx, issued, of) => {
          if (claim) await keys.settle(tx, claim, answer(ctx, 200, issued, of))
        },
      )
      answer(ctx, 200, made, tenant)
    })
  })

  handle(router, revokeApiKey, async (ctx, { params }) => {
    await administration.revoke(await administration.get(params.id, actingFor(ctx)))
    ctx.status = 204
  })

  return router
}
