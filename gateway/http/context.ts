import type Router from '@koa/router'
import type { DefaultContext, Middleware, ParameterizedContext } from 'koa'
import type { TenantId } from '../../proto/contract.js'
import type { Logger } from '../../runtime/log.js'
import type { ApiKey } from '../tenants/api-key.js'

/** What every handler knows of its request. */
export interface OpenState {
  requestId: string
  log: Logger
  /** Fires when the server stops: long answers end. */
  stopping: AbortSignal
}

/** Below `/api/v1`: who asks, too. */
export interface ApiState extends OpenState {
  tenantId: TenantId
  key: ApiKey
}

export type OpenContext = ParameterizedContext<OpenState>
export type ApiContext = ParameterizedContext<ApiState>
export type ApiMiddleware = Middleware<ApiState, DefaultContext>
export type OpenRouter = Router<OpenState>
export type ApiRouter = Router<ApiState>
