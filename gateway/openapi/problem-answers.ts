/** Which problems an operation can answer with, and how the document shows them. */
import type { oas31 } from 'zod-openapi'
import { kindStatus } from '../http/error-middleware.js'
import type { Operation } from '../http/operation.js'
import { type Kind, type PointedCode, type ProblemCode, problemCodes } from '../http/problem-codes.js'
import { examples } from '../http/shapes.js'

const always: PointedCode[] = ['internal']
const ofKeys: PointedCode[] = [
  'api_key_missing',
  'api_key_malformed',
  'api_key_unknown',
  'api_key_expired',
  'scope_missing',
  'address_not_allowed',
  'too_many_failures',
  'rate_limited:rate_limited',
  'tenant_suspended',
  'not_found:tenant_unknown',
  'database_unavailable',
  'database_busy',
]
const ofBodies: PointedCode[] = [
  'body_incomplete',
  'body_too_slow',
  'body_too_large',
  'unsupported_content_type',
  'unsupported_encoding',
]
const ofJson: PointedCode[] = ['malformed_json', 'malformed_text', 'body_too_deep', ...ofBodies]
const ofForms: PointedCode[] = ['malformed_form', ...ofBodies]
const ofIdempotencyKeys: PointedCode[] = [
  'invalid_idempotency_key',
  'idempotency_in_progress',
  'idempotency_key_reused',
]
const ofNodes: PointedCode[] = [
  'node_unreachable',
  'node_unavailable',
  'node_token_refused',
  'node_stopping',
  'node_timeout',
  'node_lost',
  'timeout',
  'unavailable',
]

/** Its own codes, and those that follow from what it takes and does. */
function pointedCodesOf(op: Operation): PointedCode[] {
  const { scope, query, body, form, idempotent, callsNode, method, codes = [] } = op
  return [
    ...always,
    ...(scope === null ? [] : ofKeys),
    ...(query || body || form ? (['invalid_request'] as const) : []),
    ...(query && 'cursor' in query.shape ? (['invalid_cursor'] as const) : []),
    ...(body ? ofJson : []),
    ...(form ? ofForms : []),
    ...(idempotent ? ofIdempotencyKeys : []),
    ...(callsNode ? ofNodes : []),
    ...(scope !== null && method !== 'get' ? (['storage_full'] as const) : []),
    ...codes,
  ]
}

/** By status, in order. */
export function problemsOf(op: Operation): Map<number, ProblemCode[]> {
  const found = new Map<number, Set<ProblemCode>>()
  for (const pointed of pointedCodesOf(op)) {
    const [kind, code] = pointed.includes(':')
      ? (pointed.split(':') as [Kind, ProblemCode])
      : [undefined, pointed as ProblemCode]
    const kinds: readonly Kind[] = kind ? [kind] : problemCodes[code].kinds
    for (const each of kinds) {
      const status = kindStatus(each)[0]
      found.set(status, (found.get(status) ?? new Set()).add(code))
    }
  }
  return new Map([...found].toSorted(([a], [b]) => a - b).map(([status, codes]) => [status, [...codes].toSorted()]))
}

const exampleName = (code: ProblemCode, status: number) => `${code}_${status}`

export function problemAnswer(status: number, codes: readonly ProblemCode[]): oas31.ResponseObject {
  return {
    description: codes.map((code) => `- \`${code}\`: ${problemCodes[code].when}`).join('\n'),
    content: {
      'application/problem+json': {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { type: 'object', properties: { code: { type: 'string', enum: [...codes] } } },
          ],
        },
        examples: Object.fromEntries(
          codes.map((code) => [code, { $ref: `#/components/examples/${exampleName(code, status)}` }]),
        ),
      },
    },
  }
}

/** One of each. */
export function problemExamples(): Record<string, oas31.ExampleObject> {
  const all = (Object.keys(problemCodes) as ProblemCode[]).flatMap((code) => {
    // Of no operation: what other methods are answered with.
    if (code === 'method_not_allowed') return []
    return problemCodes[code].kinds.map((kind: Kind) => {
      const [status, title] = kindStatus(kind)
      const { when: detail } = problemCodes[code]
      const type = `urn:switchboard:problem:${code}`
      const value = { type, title, status, detail, code, requestId: examples.request }
      return [exampleName(code, status), { summary: detail, value }] as const
    })
  })
  return Object.fromEntries(all)
}

export const problemSchema: oas31.SchemaObject = {
  type: 'object',
  description: 'What went wrong (RFC 9457). Test for `code`: it does not change. Some codes come with more members.',
  required: ['type', 'title', 'status', 'detail', 'code', 'requestId'],
  properties: {
    type: { type: 'string', description: '`urn:switchboard:problem:` and the code' },
    title: { type: 'string', description: 'the kind of problem, for people' },
    status: { type: 'integer', description: 'the HTTP status' },
    detail: { type: 'string', description: 'what is wrong, for people' },
    code: { type: 'string', description: 'what is wrong, for programs' },
    requestId: { type: 'string', description: 'stands in the log of the gateway, and in `X-Request-Id`' },
  },
}
