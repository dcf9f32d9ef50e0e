import { z } from 'zod'
import { type Answer, type JsonBody, operation } from '../http/operation.js'
import { pageFields } from '../http/pagination.js'
import { defined } from '../../runtime/defined.js'
import { examples, idOf, inPath, pageOf, time } from '../http/shapes.js'
import { DEFAULT_LIMITS, isTenantName, type Tenant, TENANT_NAME_RULE } from './tenant.js'

const tag = 'Tenants'
const exampleTenant = 'ten_01kaxq0z9y8x7w6v5t4s3r2q1p'
const params = z.object({ tenant: inPath('the id (`ten_…`) or the name of a tenant', 'acme') })

const count = (most: number) => z.number().int().min(0).max(most).nullable()
/** null: without a limit. */
const limitFields = {
  sessions: count(1_000_000).describe('sessions that exist, running or not'),
  messagesPerDay: count(1_000_000_000).describe('messages accepted on one day (UTC)'),
  requestsPerMinute: count(10_000_000).describe('requests, with all its keys together'),
  mediaBytes: count(2 ** 50).describe('bytes of stored files'),
  webhooks: count(100_000).describe('webhooks'),
}
const limits = z.strictObject(limitFields).partial().transform(defined)
const name = z.string().refine(isTenantName, TENANT_NAME_RULE)

export const CreateTenant = z.strictObject({ name, limits: limits.optional() })
export const ChangeTenant = z
  .strictObject({ name: name.optional(), limits: limits.optional() })
  .refine((change) => Object.keys(change).length > 0, 'must change name or limits')
const Nothing = z.strictObject({})

const shownTenant = z
  .object({
    id: idOf('ten'),
    name: z.string(),
    status: z.enum(['active', 'suspended', 'deleting']),
    limits: z.object(limitFields).describe('null: without a limit').meta({ id: 'TenantLimits' }),
    createdAt: time,
  })
  .meta({
    id: 'Tenant',
    description: 'An integrator: whoever has keys, and sessions, messages and webhooks with them.',
  })
export type ShownTenant = z.output<typeof shownTenant>

/** The public shape of a tenant. Fields are added here on purpose, never by accident. */
export function presentTenant({ id, name, status, limits, createdAt }: Tenant): ShownTenant {
  return { id: id as ShownTenant['id'], name, status, limits, createdAt: createdAt.toISOString() }
}

const example: ShownTenant = {
  id: exampleTenant,
  name: 'acme',
  status: 'active',
  limits: DEFAULT_LIMITS,
  createdAt: examples.time,
}
const nothing = { schema: Nothing, optional: true, examples: {} } as const satisfies JsonBody
const answersTenant = (description: string, tenant = example) =>
  ({ description, schema: shownTenant, examples: { tenant } }) satisfies Answer

export const createTenant = operation({
  id: 'createTenant',
  method: 'post',
  path: '/api/v1/tenants',
  tag,
  scope: 'admin',
  summary: 'Make a tenant',
  description: 'Limits that are left out are those of the example; `null` is no limit. Make keys for it next.',
  idempotent: true,
  body: {
    schema: CreateTenant,
    examples: { plain: { name: 'acme' }, limited: { name: 'acme', limits: { sessions: 3, messagesPerDay: null } } },
  },
  codes: ['tenant_exists'],
  answers: {
    201: {
      ...answersTenant('It is made.'),
      headers: z.object({ Location: z.string().describe('where it is') }),
    },
  },
})

export const listTenants = operation({
  id: 'listTenants',
  method: 'get',
  path: '/api/v1/tenants',
  tag,
  scope: 'admin',
  summary: 'List tenants, oldest first',
  query: z.strictObject(pageFields),
  answers: {
    200: {
      description: 'A page of tenants.',
      schema: pageOf(shownTenant).meta({ id: 'TenantPage' }),
      examples: { tenants: { data: [example] } },
    },
  },
})

export const getTenant = operation({
  id: 'getTenant',
  method: 'get',
  path: '/api/v1/tenants/{tenant}',
  tag,
  scope: 'admin',
  summary: 'Get a tenant',
  params,
  codes: ['tenant_unknown'],
  answers: { 200: answersTenant('The tenant.') },
})

export const changeTenant = operation({
  id: 'changeTenant',
  method: 'patch',
  path: '/api/v1/tenants/{tenant}',
  tag,
  scope: 'admin',
  summary: 'Rename a tenant or change its limits',
  description: 'Limits that are left out stay. What it has over a lower limit stays, too; there is no more of it.',
  params,
  body: { schema: ChangeTenant, examples: { limits: { limits: { sessions: 20 } }, name: { name: 'acme-eu' } } },
  codes: ['tenant_unknown', 'tenant_exists', 'tenant_deleting', 'tenant_default'],
  answers: { 200: answersTenant('As it is now.') },
})

export const suspendTenant = operation({
  id: 'suspendTenant',
  method: 'post',
  path: '/api/v1/tenants/{tenant}/suspend',
  tag,
  scope: 'admin',
  summary: 'Suspend a tenant',
  description:
    'Its keys are refused (`tenant_suspended`), on every gateway within 5 s. Messages that no session node has taken on wait until it is resumed or they expire. Its sessions stay linked, what comes in is stored, and webhooks are told.',
  params,
  body: nothing,
  codes: ['tenant_unknown', 'tenant_deleting', 'tenant_default'],
  answers: { 200: answersTenant('It is suspended.', { ...example, status: 'suspended' }) },
})

export const resumeTenant = operation({
  id: 'resumeTenant',
  method: 'post',
  path: '/api/v1/tenants/{tenant}/resume',
  tag,
  scope: 'admin',
  summary: 'Resume a suspended tenant',
  params,
  body: nothing,
  codes: ['tenant_unknown', 'tenant_deleting'],
  answers: { 200: answersTenant('It is active.') },
})

export const deleteTenant = operation({
  id: 'deleteTenant',
  method: 'delete',
  path: '/api/v1/tenants/{tenant}',
  tag,
  scope: 'admin',
  summary: 'Delete a tenant with everything that is theirs',
  description:
    'Without `confirm` nothing is deleted: the answer is 409 `confirmation_required`, and its `deletes` tells what would go. With it the keys are revoked at once, and sessions (unlinked), messages, events, webhooks and files go bit by bit; sessions on a session node that is away go when it answers. Until all is gone the tenant is there as `deleting`, and its name is taken.',
  params,
  query: z.strictObject({
    confirm: z.string().max(80).describe('the name of the tenant').meta({ example: 'acme' }).optional(),
  }),
  codes: ['tenant_unknown', 'confirmation_required', 'tenant_default'],
  answers: { 202: answersTenant('It is being deleted.', { ...example, status: 'deleting' }) },
})

export const tenantOperations = [
  createTenant,
  listTenants,
  getTenant,
  changeTenant,
  suspendTenant,
  resumeTenant,
  deleteTenant,
]
