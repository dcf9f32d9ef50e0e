import type Router from '@koa/router'
import type { DefaultContext, Middleware, ParameterizedContext } from 'koa'
import type { TenantId } from '../../proto/contract.js'
import type { Logger } from '../../runtime/log.js'
import type { Trace } from '../../runtime/trace.js'
import type { ApiKey } from '../tenants/api-key.js'

/** What every handler knows of its request. */
export interface OpenState {
  requestId: string
  /** Goes with what the request causes, to the node and to the webhook. */
  trace: Trace
  log: Logger
  /** Fires when the server stops: long answers end. */
  stopping: AbortSignal
}

/** Below `/api/v1`: who asks, too. */
export interface ApiState extends OpenState {
  /** Whose things it is about: the tenant of the key, or the one that an admin acts for. */
  tenantId: TenantId
  key: ApiKey
  audit: Audit
  /** The id of what it is about, once that is known: for the audit log. */
  subject?: string
}

/** Puts on record what a request is about to do, does it, and adds what became of it. */
export type Audit = (ctx: ApiContext, action: string, work: () => Promise<void>) => Promise<void>

export type OpenContext = ParameterizedContext<OpenState>
export type ApiContext = ParameterizedContext<ApiState>
export type ApiMiddleware = Middleware<ApiState, DefaultContext>
export type OpenRouter = Router<OpenState>
export type ApiRouter = Router<ApiState>
