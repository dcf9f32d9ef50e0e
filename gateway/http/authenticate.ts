import { AppError } from '../../runtime/app-error.js'
import type { Admitted, Credential } from '../tenants/admission.js'
import type { ApiKey, Scope } from '../tenants/api-key.js'
import type { Standing } from '../limits/request-limits.js'
import type { ApiContext, ApiMiddleware } from './context.js'

export interface KeyCheck {
  /** Who asks. Throws `unauthenticated`, and `forbidden` when they may not. */
  admit(credential: Credential): Promise<Admitted>
  /** How far the limits of who asks are used; nobody has any unless given. */
  count?(admitted: Admitted): Promise<Standing>
}

/** Whether a request shows by other means than a key, or will show later, that it may: its route checks that. */
export type Keyless = (ctx: ApiContext) => boolean

/** Below `/api/v1` nothing happens without a key, not even "not found". */
export function authenticate(keys: KeyCheck, keyless: Keyless = () => false): ApiMiddleware {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/api/v1/') && ctx.path !== '/api/v1') return next()
    const credential = credentialOf(ctx)
    if (credential === undefined && keyless(ctx)) return next()
    await admit(ctx, keys, credential ?? missing())
    return next()
  }
}

/** Makes the request that of a key. Throws `unauthenticated`, `forbidden` and `rate_limited`. */
export async function admit(ctx: ApiContext, keys: KeyCheck, text: string): Promise<void> {
  const ref = ctx.get('X-Tenant').trim()
  const admitted = await keys.admit({ text, address: ctx.ip, tenant: ref === '' ? undefined : ref })
  const { key, tenantId } = admitted
  ctx.state.key = key
  ctx.state.tenantId = tenantId
  ctx.state.log = ctx.state.log.child({ tenant: tenantId, key: key.id }, true)
  const standing = await keys.count?.(admitted)
  if (!standing) return
  ctx.set(standing.headers)
  if (standing.refusal) throw standing.refusal
}

export function credentialOf(ctx: ApiContext): string | undefined {
  const header = ctx.get('X-API-Key').trim()
  if (header !== '') return header
  return /^(?:bearer|apikey) +(\S+)$/i.exec(ctx.get('Authorization').trim())?.[1]
}

function missing(): never {
  throw new AppError('unauthenticated', 'Send your API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.', {
    reason: 'api_key_missing',
  })
}

/** Lets a request pass whose key has the scope. `admin` has all. */
export function allow(scope: Scope): ApiMiddleware {
  return (ctx, next) => {
    checkScope(ctx.state.key, scope)
    return next()
  }
}

/** Throws `forbidden` (`scope_missing`). */
export function checkScope({ scopes }: ApiKey, scope: Scope): void {
  if (scopes.includes(scope) || scopes.includes('admin')) return
  throw new AppError('forbidden', `This API key has no scope ${scope}.`, { reason: 'scope_missing' })
}

/** Throws `not_found` for a session that the key is not for, as if it were not there. */
export function mayUse(key: ApiKey, sessionId: string): boolean {
  return key.sessions.includes('*') || key.sessions.includes(sessionId)
}
