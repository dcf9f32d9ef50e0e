/** Whatever a test asks: each answer has to be one that the OpenAPI document tells of. */
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import { createApiDocument } from '../gateway/openapi/document.js'
import { operations } from '../gateway/openapi/operations.js'
import type { Operation } from '../gateway/http/operation.js'

export interface Exchange {
  method: string
  /** With or without a query. */
  path: string
  status: number
  headers: Headers
  /** As it came, when it was read. */
  text?: string
}

/** Answers to what no operation is for, and to who may not even ask. */
const unrouted = ['not_found', 'method_not_allowed', 'not_supported']
const isOurs = /^\/(api|link|livez|readyz)\b/

const routes = operations
  .map((op) => ({ op, pattern: new RegExp(`^${op.path.replace(/\{\w+\}/g, '[^/]+')}/?$`) }))
  // A literal stands before a parameter, as in the router.
  .toSorted((a, b) => parametersOf(a.op) - parametersOf(b.op))

function parametersOf({ path }: Operation): number {
  return path.split('{').length
}

export function operationOf(method: string, path: string): Operation | undefined {
  const name = method === 'HEAD' ? 'get' : method.toLowerCase()
  const [bare = ''] = path.split('?')
  return routes.find(({ op, pattern }) => op.method === name && pattern.test(bare))?.op
}

/** Throws when an answer is not as the document says. */
export function checkAnswer(exchange: Exchange): void {
  const problem = problemOf(exchange)
  if (!problem) return
  const { method, path, status, text = '' } = exchange
  throw new Error(
    `The OpenAPI document says otherwise: ${method} ${path} → ${status}: ${problem}\n${text.slice(0, 2_000)}`,
  )
}

function problemOf(exchange: Exchange): string | undefined {
  const { method, path, status, headers, text } = exchange
  if (!isOurs.test(path)) return undefined
  const type = headers.get('content-type')?.split(';')[0] ?? ''
  const op = operationOf(method, path)
  if (!op) return isUnrouted(text) ? undefined : 'no operation is for this path and method'
  const { answers, reference } = contractOf(op)
  const answer = answers[status]
  if (!answer) return `no such status; there are ${Object.keys(answers).join(', ')}`
  const missing = missingHeader(answer, headers)
  if (missing) return missing
  if (!answer.content) return text ? 'there is a body' : undefined
  if (!answer.content[type] && !answer.content['*/*'])
    return `is ${type}; there are ${Object.keys(answer.content).join(', ')}`
  if (method === 'HEAD' || text === undefined || !type.endsWith('json')) return undefined
  const validate = validatorOf(op, `${reference}/${status}/content/${escaped(type)}/schema`)
  if (validate(JSON.parse(text))) return undefined
  return validate.errors
    ?.map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`)
    .join('; ')
}

function isUnrouted(text: string | undefined): boolean {
  if (text === undefined) return true
  const { code } = JSON.parse(text) as { code: string }
  return unrouted.includes(code) || code.startsWith('api_key_')
}

interface DocumentedAnswer {
  headers?: Record<string, { required?: boolean }>
  content?: Record<string, { schema: unknown }>
}

function missingHeader({ headers = {} }: DocumentedAnswer, given: Headers): string | undefined {
  const [missing] = Object.entries(headers).find(([name, { required }]) => required && !given.has(name)) ?? []
  if (missing) return `the header ${missing} is missing`
  return given.has('x-request-id') ? undefined : 'the header X-Request-Id is missing'
}

const ajv = new Ajv2020({ strict: false, validateFormats: false, allErrors: true })
const contracts = new Map<string, { answers: Record<string, DocumentedAnswer>; reference: string }>()
const validators = new Map<string, ValidateFunction>()

/** The part of the document that an operation has. */
function contractOf(op: Operation) {
  const known = contracts.get(op.id)
  if (known) return known
  const document = createApiDocument({ version: 'test', serverUrl: 'http://test' }, [op])
  ajv.addSchema(closed(document) as object, op.id)
  const answers = document.paths?.[op.path]?.[op.method]?.responses as Record<string, DocumentedAnswer>
  const made = { answers, reference: `${op.id}#/paths/${escaped(op.path)}/${op.method}/responses` }
  contracts.set(op.id, made)
  return made
}

function validatorOf({ id }: Operation, reference: string): ValidateFunction {
  const known = validators.get(reference) ?? ajv.compile({ $ref: reference, $id: `${id}${validators.size}` })
  validators.set(reference, known)
  return known
}

const escaped = (part: string) => encodeURIComponent(part.replace(/~/g, '~0').replace(/\//g, '~1'))

/** Clients must expect more fields than there are; to a test, a field that is not documented is a mistake. */
function closed(part: unknown): unknown {
  if (Array.isArray(part)) return part.map(closed)
  if (typeof part !== 'object' || part === null) return part
  const whole = Object.fromEntries(Object.entries(part).map(([name, inner]) => [name, closed(inner)]))
  const isShape = whole['type'] === 'object' && 'properties' in whole && !('additionalProperties' in whole)
  // Problems have members of their own, by code; what stands beside them narrows the code.
  const names = isShape ? Object.keys(whole['properties'] as object) : []
  const isProblem = names.includes('requestId') || names.join() === 'code'
  return isShape && !isProblem ? { ...whole, additionalProperties: false } : whole
}
