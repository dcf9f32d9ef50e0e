import { z } from 'zod'
import { type Answer, operation } from '../http/operation.js'
import { pageFields } from '../http/pagination.js'
import { examples, idOf, inPath, pageOf, time } from '../http/shapes.js'
import { addressRange } from './address-range.js'
import { type ApiKey, scopes, shownKey } from './api-key.js'

const tag = 'API keys'
const exampleId = 'key_01kaxq0z9y8x7w6v5t4s3r2q1p'
const exampleText = 'swb_Qm3vT8yLx2Wd_0123456789abcdefghijklmnopqrstuvAbC123'
const params = z.object({ id: inPath('the id of an API key', exampleId) })
const tenantRef = z.string().min(1).max(80)

const range = z.string().transform((text, context) => {
  const kept = addressRange(text)
  if (kept !== undefined) return kept
  context.addIssue({ code: 'custom', message: 'must be an address or a range such as 10.1.0.0/16 or 2001:db8::/32' })
  return z.NEVER
})

export const CreateApiKey = z.strictObject({
  name: z
    .string()
    .trim()
    .min(1)
    .max(80)
    .refine((text) => text.isWellFormed() && !/\p{Cc}/u.test(text), 'must be one line of text'),
  tenant: tenantRef.describe('id or name; `default`, or the one of `X-Tenant`, unless given').optional(),
  scopes: z
    .array(z.enum(scopes))
    .min(1)
    .transform((given) => [...new Set(given)]),
  sessions: z
    .array(z.string().min(1).max(64))
    .min(1)
    .max(500)
    .describe('ids or names of the sessions that it is for; all unless given')
    .optional(),
  cidrs: z.array(range).max(100).describe('addresses and ranges that it may be used from; all unless given').optional(),
  requestsPerMinute: z
    .number()
    .int()
    .min(1)
    .max(10_000_000)
    .describe('of this key alone, beside what its tenant may; as many unless given')
    .optional(),
  expiresAt: z.iso
    .datetime({ offset: true })
    .transform((text) => new Date(text))
    .describe('never, unless given')
    .optional(),
})

const DAY_SECONDS = 86_400
export const RotateApiKey = z.strictObject({
  overlapSeconds: z
    .number()
    .int()
    .min(0)
    .max(30 * DAY_SECONDS)
    .default(DAY_SECONDS)
    .describe('for how long the text before is good, too'),
})

export const ListApiKeys = z.strictObject({
  ...pageFields,
  tenant: tenantRef.describe('id or name of the tenant whose keys are listed').optional(),
})

const keyFields = {
  id: idOf('key'),
  name: z.string(),
  tenant: z.object({ id: idOf('ten'), name: z.string() }),
  hint: z.string().describe('the beginning of the key: what it may be told by'),
  scopes: z.array(z.enum(scopes)),
  sessions: z.array(z.string()).describe('ids of the sessions that it is for; `*` is all'),
  cidrs: z.array(z.string()).describe('where it may be used from; none is everywhere'),
  requestsPerMinute: z.number().int().describe('of this key alone, beside what its tenant may').optional(),
  expiresAt: time.optional(),
  lastUsedAt: time.describe('within half a minute').optional(),
  rotatedUntil: time.describe('after a rotation: until when the text before is good, too').optional(),
  createdAt: time,
}
const shownApiKey = z
  .object(keyFields)
  .meta({ id: 'ApiKey', description: 'A credential of a tenant. Its text is told once, when it is made or rotated.' })
const shownWithText = z
  .object({ ...keyFields, key: z.string().describe('the key itself: told this once') })
  .meta({ id: 'ApiKeyWithText' })
export type ShownApiKey = z.output<typeof shownApiKey>

/** The public shape of a key. Fields are added here on purpose, never by accident. */
export function presentApiKey(key: ApiKey, tenant: { id: string; name: string }, now: number): ShownApiKey {
  const until = key.oldUntil && key.oldUntil.getTime() > now ? key.oldUntil : null
  return {
    id: key.id as ShownApiKey['id'],
    name: key.name,
    tenant: { id: tenant.id as ShownApiKey['tenant']['id'], name: tenant.name },
    hint: shownKey(key.lookup),
    scopes: key.scopes,
    sessions: key.sessions,
    cidrs: key.cidrs,
    ...(key.requestsPerMinute === null ? {} : { requestsPerMinute: key.requestsPerMinute }),
    ...(key.expiresAt ? { expiresAt: key.expiresAt.toISOString() } : {}),
    ...(key.lastUsedAt ? { lastUsedAt: key.lastUsedAt.toISOString() } : {}),
    ...(until ? { rotatedUntil: until.toISOString() } : {}),
    createdAt: key.createdAt.toISOString(),
  }
}

const example: ShownApiKey = {
  id: exampleId,
  name: 'web shop',
  tenant: { id: 'ten_01kaxq0z9y8x7w6v5t4s3r2q1p', name: 'acme' },
  hint: 'swb_Qm3vT8yLx2Wd…',
  scopes: ['sessions:read', 'messages:send'],
  sessions: ['*'],
  cidrs: ['10.1.0.0/16'],
  createdAt: examples.time,
}
const withText = { ...example, key: exampleText }
const answersKey = { schema: shownWithText, examples: { key: withText } } as const satisfies Omit<Answer, 'description'>

export const createApiKey = operation({
  id: 'createApiKey',
  method: 'post',
  path: '/api/v1/api-keys',
  tag,
  scope: 'admin',
  summary: 'Make an API key',
  description: 'The key is told in the answer and nowhere else. The scope `admin` is for keys of the tenant `default`.',
  idempotent: true,
  body: {
    schema: CreateApiKey,
    examples: {
      sender: { name: 'web shop', tenant: 'acme', scopes: ['sessions:read', 'messages:send'], cidrs: ['10.1.0.0/16'] },
      oneSession: { name: 'newsletter', tenant: 'acme', scopes: ['messages:send'], sessions: ['news'] },
    },
  },
  codes: ['tenant_unknown', 'tenant_deleting', 'session_not_found', 'admin_not_allowed'],
  answers: {
    201: {
      description: 'It is made.',
      ...answersKey,
      headers: z.object({ Location: z.string().describe('where it is') }),
    },
  },
})

export const listApiKeys = operation({
  id: 'listApiKeys',
  method: 'get',
  path: '/api/v1/api-keys',
  tag,
  scope: 'admin',
  summary: 'List API keys, oldest first',
  query: ListApiKeys,
  codes: ['tenant_unknown'],
  answers: {
    200: {
      description: 'A page of keys of all tenants, or of one.',
      schema: pageOf(shownApiKey).meta({ id: 'ApiKeyPage' }),
      examples: { keys: { data: [example] } },
    },
  },
})

export const getApiKey = operation({
  id: 'getApiKey',
  method: 'get',
  path: '/api/v1/api-keys/{id}',
  tag,
  scope: 'admin',
  summary: 'Get an API key',
  params,
  codes: ['api_key_not_found'],
  answers: { 200: { description: 'The key, without its text.', schema: shownApiKey, examples: { key: example } } },
})

export const rotateApiKey = operation({
  id: 'rotateApiKey',
  method: 'post',
  path: '/api/v1/api-keys/{id}/rotate',
  tag,
  scope: 'admin',
  summary: 'Give an API key a new text',
  description: 'The text before stays good for `overlapSeconds` (a day unless given); one rotated earlier ends now.',
  idempotent: true,
  params,
  body: { schema: RotateApiKey, optional: true, examples: { aDay: {}, atOnce: { overlapSeconds: 0 } } },
  codes: ['api_key_not_found', 'api_key_is_set', 'api_key_changed'],
  answers: { 200: { description: 'The key with its new text.', ...answersKey } },
})

export const revokeApiKey = operation({
  id: 'revokeApiKey',
  method: 'delete',
  path: '/api/v1/api-keys/{id}',
  tag,
  scope: 'admin',
  summary: 'Revoke an API key',
  description: 'It is refused at once, by other gateways within 5 s.',
  params,
  codes: ['api_key_not_found', 'api_key_is_set'],
  answers: { 204: { description: 'It is revoked.' } },
})

export const apiKeyOperations = [createApiKey, listApiKeys, getApiKey, rotateApiKey, revokeApiKey]
