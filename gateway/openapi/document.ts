/** The OpenAPI document, made from the operations that the routes are registered from. */
import { createDocument, type oas31, type ZodOpenApiOperationObject, type ZodOpenApiPathsObject } from 'zod-openapi'
import type { z } from 'zod'
import type { Answer, Operation } from '../http/operation.js'
import { about, headers, parameters, securityOf, securitySchemes, webhooks } from './document-parts.js'
import { operations } from './operations.js'
import { openReferences, shareProblems } from './document-tidying.js'
import { problemAnswer, problemExamples, problemSchema, problemsOf } from './problem-answers.js'
import { tags } from './tags.js'

export type ApiDocument = oas31.OpenAPIObject

export interface DocumentOptions {
  version: string
  /** How others reach the gateway. */
  serverUrl: string
}

export function createApiDocument(
  { version, serverUrl }: DocumentOptions,
  documented: readonly Operation[] = operations,
): ApiDocument {
  const paths: ZodOpenApiPathsObject = {}
  for (const op of documented) paths[op.path] = { ...paths[op.path], [op.method]: describe(op) }
  const document = createDocument(
    {
      openapi: '3.1.0',
      info: {
        title: 'Switchboard',
        version,
        description: about,
        license: { name: 'MIT', identifier: 'MIT' },
      },
      servers: [{ url: serverUrl }],
      tags,
      paths,
      webhooks: webhooks(),
      components: {
        schemas: { Problem: problemSchema },
        examples: problemExamples(),
        parameters,
        headers,
        securitySchemes,
      },
    },
    {
      // What is answered may have more fields in a later version; what is asked may not have others.
      override: ({ jsonSchema, io }) => {
        if (io === 'output' && jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties
      },
    },
  )
  openReferences(document)
  shareProblems(document)
  return document
}

function describe(op: Operation): ZodOpenApiOperationObject {
  const { id, tag, summary, description, scope } = op
  const needs = scope === null ? undefined : `Scope: \`${scope}\`.`
  const requestBody = bodyOf(op)
  return {
    operationId: id,
    tags: [tag],
    summary,
    ...(description || needs ? { description: [description, needs].filter(Boolean).join('\n\n') } : {}),
    security: securityOf(scope),
    requestParams: {
      ...(op.params ? { path: op.params } : {}),
      ...(op.query ? { query: op.query } : {}),
      ...(op.headers ? { header: op.headers } : {}),
    },
    parameters: commonParameters(op),
    ...(requestBody ? { requestBody } : {}),
    responses: { ...goodAnswers(op), ...problemAnswers(op) },
  }
}

function commonParameters({ scope, idempotent }: Operation) {
  const names: (keyof typeof parameters)[] = [
    ...(idempotent ? (['IdempotencyKey'] as const) : []),
    ...(scope === null ? [] : (['Tenant'] as const)),
    'RequestId',
  ]
  return names.map((name) => ({ $ref: `#/components/parameters/${name}` }))
}

function bodyOf({ body, form }: Operation): ZodOpenApiOperationObject['requestBody'] {
  // One that must be empty is not worth telling.
  const json = body && Object.keys(body.examples).length > 0 ? body : undefined
  if (!json && !form) return undefined
  return {
    required: !json?.optional,
    ...(json?.description === undefined ? {} : { description: json.description }),
    content: {
      ...(json ? { 'application/json': { schema: json.schema, examples: named(json.examples) } } : {}),
      ...(form ? { 'multipart/form-data': { schema: form.schema } } : {}),
    },
  }
}

function goodAnswers(op: Operation) {
  return Object.fromEntries(Object.entries(op.answers).map(([status, answer]) => [status, goodAnswer(op, answer)]))
}

function goodAnswer(op: Operation, { description, schema, examples = {}, otherTypes = {}, ...more }: Answer) {
  const others = Object.entries(otherTypes).map(([type, { description: what, example }]) => [
    type,
    { schema: { type: 'string' as const, description: what, ...formatOf(type) }, ...(example ? { example } : {}) },
  ])
  return {
    description,
    headers: {
      ...commonHeaders(op),
      ...(op.idempotent ? { 'Idempotency-Replayed': headerRef('IdempotencyReplayed') } : {}),
      ...headersOf(more.headers),
    },
    ...(schema || others.length > 0
      ? {
          content: {
            ...(schema ? { 'application/json': { schema, examples: named(examples) } } : {}),
            ...Object.fromEntries(others),
          },
        }
      : {}),
  }
}

function problemAnswers(op: Operation) {
  const answers = [...problemsOf(op)].filter(([status]) => !(status in op.answers))
  return Object.fromEntries(answers.map(([status, codes]) => [status, problemOf(op, status, codes)]))
}

function problemOf(op: Operation, status: number, codes: Parameters<typeof problemAnswer>[1]) {
  const answer = problemAnswer(status, codes)
  const retries = [409, 429, 503, 507].includes(status)
  return {
    ...answer,
    ...(op.problemsAs && status < 500 ? { content: { [op.problemsAs]: { schema: { type: 'string' as const } } } } : {}),
    headers: {
      ...commonHeaders(op),
      ...(retries ? { 'Retry-After': headerRef('RetryAfter') } : {}),
      ...(status === 401 ? { 'WWW-Authenticate': headerRef('Authenticate') } : {}),
    },
  }
}

const headerRef = (name: keyof typeof headers) => ({ $ref: `#/components/headers/${name}` })

function commonHeaders({ scope }: Operation) {
  const limits = { 'RateLimit-Policy': headerRef('RateLimitPolicy'), RateLimit: headerRef('RateLimit') }
  return { 'X-Request-Id': headerRef('RequestId'), ...(scope === null ? {} : limits) }
}

/** Bytes are no text. */
const formatOf = (type: string) => (type.startsWith('text/') ? {} : { format: 'binary' })

function headersOf(shape: z.ZodObject | undefined): Record<string, oas31.HeaderObject> {
  return Object.fromEntries(
    Object.entries(shape?.shape ?? {}).map(([name, field]) => {
      const { description = '', safeParse } = field as z.ZodType
      return [name, { description, required: !safeParse(undefined).success, schema: { type: 'string' as const } }]
    }),
  )
}

function named(examples: Readonly<Record<string, unknown>>) {
  return Object.fromEntries(Object.entries(examples).map(([name, value]) => [name, { value }]))
}
