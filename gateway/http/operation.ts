/** A route as data. From its declaration it is registered, checked and documented, so that the three cannot differ. */
import type Router from '@koa/router'
import type { DefaultContext, Middleware, ParameterizedContext } from 'koa'
import type { z } from 'zod'
import { traced } from '../../runtime/trace.js'
import type { Scope } from '../tenants/api-key.js'
import { allow } from './authenticate.js'
import type { ApiContext, ApiMiddleware, ApiRouter, ApiState, OpenRouter, OpenState } from './context.js'
import { readJson } from './json-body.js'
import { parse } from './parse.js'
import type { PointedCode } from './problem-codes.js'

export interface Operation {
  /** What generated clients call it: `createSession`. */
  id: string
  method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  /** Whole, as OpenAPI writes it: `/api/v1/sessions/{session}`. */
  path: `/${string}`
  /** One of gateway/openapi/tags.ts. */
  tag: string
  summary: string
  /** Markdown. */
  description?: string
  /** What a key needs; null where none is asked for. */
  scope: Scope | null
  /** True where the handler looks at scope and query itself: a key may come later, a page tells problems its own way. */
  checksItself?: true
  /** One field for each `{…}` of the path. */
  params?: z.ZodObject
  query?: z.ZodObject
  /** Told in the document; handlers read them from `ctx`. */
  headers?: z.ZodObject
  body?: JsonBody
  /** A form, with or instead of JSON: told in the document; handlers read it. */
  form?: FormBody
  /** Takes `Idempotency-Key`. */
  idempotent?: true
  /**
   * Whether each call has a line in the audit log, under the operation's id: unless said otherwise those that change
   * something, but not those without a key.
   */
  audited?: boolean
  /** Calls a session node, and so can be told that it does not answer. */
  callsNode?: true
  /** Codes of problems beside those that follow from what stands above. */
  codes?: readonly PointedCode[]
  /** Tells problems in a form of its own. */
  problemsAs?: 'text/html'
  /** By status: what it answers when all is well. */
  answers: Readonly<Record<number, Answer>>
}

export interface JsonBody {
  schema: z.ZodType
  /** May be left out, which is the same as `{}`. */
  optional?: true
  /** By name; each is valid. */
  examples: Readonly<Record<string, unknown>>
  description?: string
  /** The handler reads it, because it may be a form instead. */
  readByHandler?: true
}

export interface FormBody {
  schema: z.ZodType
  description?: string
}

export interface Answer {
  description: string
  /** Absent: no body. */
  schema?: z.ZodType
  /** By name; each is valid. Required with a schema. */
  examples?: Readonly<Record<string, unknown>>
  headers?: z.ZodObject
  /** By media type: other forms of the answer, which are not JSON. */
  otherTypes?: Readonly<Record<string, { description: string; example?: string }>>
}

type Parsed<Part> = Part extends z.ZodType ? z.output<Part> : undefined

/** The parts of a request as their schemas make them. */
export interface Given<Op extends Operation> {
  params: Op extends { params: infer Params } ? Parsed<Params> : Record<string, never>
  query: Op extends { checksItself: true } ? undefined : Op extends { query: infer Query } ? Parsed<Query> : undefined
  body: Op extends { body: { readByHandler: true } }
    ? undefined
    : Op extends { body: { schema: infer Body } }
      ? Parsed<Body>
      : undefined
}

export type StateOf<Op extends Operation> = Op['scope'] extends null ? OpenState : ApiState

/** Declares an operation, and keeps its types. */
export function operation<const Op extends Operation>(declared: Op): Op {
  return declared
}

/**
 * Registers the route of an operation on a router without prefix. The handler runs once the key has the scope, and query
 * and body are as declared.
 */
export function handle<const Op extends Operation>(
  router: Op['scope'] extends null ? OpenRouter : ApiRouter,
  op: Op,
  handler: (ctx: ParameterizedContext<StateOf<Op>>, given: Given<Op>) => unknown,
): void {
  const { id, method, path, scope, query, params, body, checksItself, callsNode } = op as Operation
  const audited = isAudited(op)
  const route: Middleware<ApiState, DefaultContext> = async (ctx) => {
    const given = {
      params: params ? parse(params, ctx['params']) : {},
      query: query && !checksItself ? parse(query, ctx.query) : undefined,
      body: body && !body.readByHandler ? parseBody(body, await readJson(ctx)) : undefined,
    }
    const answer = async () => {
      await handler(ctx as unknown as ParameterizedContext<StateOf<Op>>, given as Given<Op>)
    }
    const work = audited ? () => ctx.state.audit(ctx as unknown as ApiContext, id, answer) : answer
    await (callsNode || audited ? traced(ctx.state.trace, work) : work())
  }
  const checks: ApiMiddleware[] = scope !== null && !checksItself ? [allow(scope)] : []
  const registered = router as unknown as Router<ApiState>
  registered[method](koaPath(path), ...checks, route)
}

export function isAudited({ audited, method, scope }: Operation): boolean {
  return scope !== null && (audited ?? method !== 'get')
}

function parseBody({ schema, optional }: JsonBody, value: unknown): unknown {
  return parse(schema, optional && value === undefined ? {} : value)
}

/** `/sessions/{session}` as Koa's router writes it: `/sessions/:session`. */
export function koaPath(path: string): string {
  return path.replace(/\{(\w+)\}/g, ':$1')
}

/** Its path below the API's root: what an idempotency key is for. */
export function routeOf({ path }: Pick<Operation, 'path'>): string {
  return path.replace(/^\/api\/v1/, '')
}
