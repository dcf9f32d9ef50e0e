import { AppError } from '../../runtime/app-error.js'
import type { ApiKey, Scope } from '../tenants/api-key.js'
import type { ApiContext, ApiMiddleware } from './context.js'

export interface KeyCheck {
  /** The key that this text is. Throws `unauthenticated`. */
  verify(key: string, from: { address: string }): Promise<ApiKey>
}

/** Below `/api/v1` nothing happens without a key, not even "not found". */
export function authenticate(keys: KeyCheck): ApiMiddleware {
  return async (ctx, next) => {
    if (!ctx.path.startsWith('/api/v1/') && ctx.path !== '/api/v1') return next()
    const key = await keys.verify(credentialOf(ctx), { address: ctx.ip })
    ctx.state.key = key
    ctx.state.tenantId = key.tenantId
    ctx.state.log = ctx.state.log.child({ tenant: key.tenantId, key: key.id })
    return next()
  }
}

function credentialOf(ctx: ApiContext): string {
  const header = ctx.get('X-API-Key').trim()
  if (header !== '') return header
  const [, key] = /^(?:bearer|apikey) +(\S+)$/i.exec(ctx.get('Authorization').trim()) ?? []
  if (key !== undefined) return key
  throw new AppError('unauthenticated', 'Send your API key as `Authorization: Bearer <key>` or `X-API-Key: <key>`.', {
    reason: 'api_key_missing',
  })
}

/** Lets a request pass whose key has the scope. `admin` has all. */
export function allow(scope: Scope): ApiMiddleware {
  return (ctx, next) => {
    const { scopes } = ctx.state.key
    if (scopes.includes(scope) || scopes.includes('admin')) return next()
    throw new AppError('forbidden', `This API key has no scope ${scope}.`, { reason: 'scope_missing' })
  }
}

/** Throws `not_found` for a session that the key is not for, as if it were not there. */
export function mayUse(key: ApiKey, sessionId: string): boolean {
  return key.sessions.includes('*') || key.sessions.includes(sessionId)
}
