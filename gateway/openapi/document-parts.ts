/** What the document says of all operations: who may ask, headers, webhooks. */
import type { oas31, ZodOpenApiOperationObject, ZodOpenApiPathsObject } from 'zod-openapi'
import { definitionOf, type EventType, eventTypes, exampleOf } from '../events/catalogue/catalogue.js'
import { eventSchemaName } from '../events/event-operations.js'
import type { Scope } from '../tenants/api-key.js'

export const about = `Self-hosted WhatsApp gateway: sessions, messages, events and signed webhooks.

Everything below \`/api/v1\` speaks JSON in UTF-8 and wants an API key. Times are RFC 3339 in UTC with milliseconds; fields that have no value are left out. Expect fields, types of events and codes that are not here yet: later versions have more.

**Asking twice.** A POST that takes an \`Idempotency-Key\` does what it does once, however often it is sent with that key; the first answer is given again, with \`Idempotency-Replayed: true\`.

**Lists** are \`{data, nextCursor}\`: \`limit\` says how many (100 unless given, at most 500), \`cursor\` where to go on.

**Problems** are \`application/problem+json\`. Test for \`code\`: it does not change. \`detail\` is for people and may. Where there is nothing, any method is answered 404 \`not_found\`; where there is something for other methods, 405 \`method_not_allowed\`, and \`Allow\` says for which.`

export const securitySchemes: Record<string, oas31.SecuritySchemeObject> = {
  bearer: { type: 'http', scheme: 'bearer', description: '`Authorization: Bearer <key>`' },
  header: { type: 'apiKey', in: 'header', name: 'X-API-Key', description: '`X-API-Key: <key>`' },
  authorization: {
    type: 'apiKey',
    in: 'header',
    name: 'Authorization',
    description: '`Authorization: ApiKey <key>`: the value begins with `ApiKey` and a blank',
  },
}

/** One of the three will do; the key needs the scope. */
export const securityOf = (scope: Scope | null): oas31.SecurityRequirementObject[] =>
  scope === null ? [] : Object.keys(securitySchemes).map((scheme) => ({ [scheme]: [scope] }))

export const parameters = {
  RequestId: {
    name: 'X-Request-Id',
    in: 'header',
    description: 'Yours, for the log; made by the gateway unless given.',
    schema: { type: 'string', pattern: '^[A-Za-z0-9_.:-]{1,64}$' },
  },
  Tenant: {
    name: 'X-Tenant',
    in: 'header',
    description: 'For an admin key: the id or the name of the tenant to ask as.',
    schema: { type: 'string' },
  },
  IdempotencyKey: {
    name: 'Idempotency-Key',
    in: 'header',
    description: 'However often the request is sent with this key, what it asks for is done once.',
    schema: { type: 'string', pattern: '^[\\x21-\\x7e]{1,255}$' },
    example: 'order-77-confirmation',
  },
} satisfies Record<string, oas31.ParameterObject>

export const headers = {
  RequestId: {
    description: 'What the request is called in the log of the gateway.',
    required: true,
    schema: { type: 'string' },
    example: 'req_01kaxq2v9x4m2c8d7h0w5r3t1z',
  },
  RetryAfter: {
    description: 'When to ask again, in seconds.',
    schema: { type: 'string', pattern: '^[0-9]+$' },
    example: '5',
  },
  RateLimitPolicy: {
    description:
      'What the key and its tenant may: `"key";q=600;w=60` is 600 requests in 60 seconds (IETF draft). Absent without a limit.',
    schema: { type: 'string' },
    example: '"key";q=600;w=60',
  },
  RateLimit: {
    description:
      'What is left of that: `"key";r=417;t=23` is 417 requests for the next 23 seconds. Absent without a limit.',
    schema: { type: 'string' },
    example: '"key";r=417;t=23',
  },
  IdempotencyReplayed: {
    description: 'The answer is that of the first request with this idempotency key.',
    schema: { type: 'string', const: 'true' },
  },
  Authenticate: { description: 'How to send a key.', schema: { type: 'string' } },
} satisfies Record<string, oas31.HeaderObject>

/** Posted to the URLs of webhooks. */
export function webhooks(): ZodOpenApiPathsObject {
  return Object.fromEntries(eventTypes.map((type) => [type, { post: posted(type) }]))
}

const signed = (name: string, description: string, example: string): oas31.ParameterObject => {
  return { name, in: 'header', required: true, description, schema: { type: 'string' }, example }
}

function posted(type: EventType): ZodOpenApiOperationObject {
  const { description } = definitionOf(type)
  return {
    operationId: `on${eventSchemaName(type).replace(/Event$/, '')}`,
    tags: ['Webhooks'],
    summary: type,
    description,
    security: [],
    parameters: [
      signed('webhook-id', 'the id of the event: the same for each repetition', exampleOf(type).id),
      signed('webhook-timestamp', 'when it was sent: seconds since 1970', '1795467185'),
      signed(
        'webhook-signature',
        'of id, timestamp and body, as Standard Webhooks has it',
        'v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=',
      ),
    ],
    requestBody: {
      required: true,
      content: {
        'application/json': {
          schema: { $ref: `#/components/schemas/${eventSchemaName(type)}` },
          examples: { event: { value: exampleOf(type) } },
        },
      },
    },
    responses: {
      '2XX': { description: 'It is delivered.' },
      '410': { description: 'The webhook is not wanted any more: it is disabled.' },
      default: { description: 'It is posted again later.' },
    },
  }
}
