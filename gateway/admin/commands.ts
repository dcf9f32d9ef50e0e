/** What the shell may ask: each command is one request of the HTTP API. No I/O. */
import { parseArgs, type ParseArgsConfig } from 'node:util'
import { scopes } from '../tenants/api-key.js'

/** The command was not written as it should be. */
export class UsageError extends Error {
  override name = 'UsageError'
}

export interface Asked {
  method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Below `/api/v1`. */
  path: string
  body?: Record<string, unknown>
  /** Answers with pages: all are asked for. */
  isList?: boolean
}

type Options = Record<string, string | undefined>

interface Command {
  /** As it is typed: `tenant create`. */
  name: string
  /** What must follow, in this order. */
  takes?: readonly string[]
  options?: Readonly<Record<string, string>>
  summary: string
  ask: (given: string[], options: Options) => Asked
}

const limitOptions = {
  sessions: 'n',
  'messages-per-day': 'n',
  'requests-per-minute': 'n',
  'media-bytes': 'n',
  webhooks: 'n',
}
const part = encodeURIComponent

export const commands: readonly Command[] = [
  { name: 'tenant list', summary: 'all tenants', ask: () => ({ method: 'GET', path: '/tenants', isList: true }) },
  {
    name: 'tenant create',
    takes: ['name'],
    options: limitOptions,
    summary: 'make a tenant; a limit is a number, or none',
    ask: ([name], options) => ({ method: 'POST', path: '/tenants', body: { name, limits: limitsOf(options) } }),
  },
  {
    name: 'tenant change',
    takes: ['tenant'],
    options: { name: 'name', ...limitOptions },
    summary: 'rename a tenant, or change its limits',
    ask: ([tenant = ''], { name, ...options }) => ({
      method: 'PATCH',
      path: `/tenants/${part(tenant)}`,
      body: { ...(name === undefined ? {} : { name }), limits: limitsOf(options) },
    }),
  },
  {
    name: 'tenant suspend',
    takes: ['tenant'],
    summary: 'refuse its keys, and let its messages wait',
    ask: ([tenant = '']) => ({ method: 'POST', path: `/tenants/${part(tenant)}/suspend` }),
  },
  {
    name: 'tenant resume',
    takes: ['tenant'],
    summary: 'the end of that',
    ask: ([tenant = '']) => ({ method: 'POST', path: `/tenants/${part(tenant)}/resume` }),
  },
  {
    name: 'tenant delete',
    takes: ['tenant'],
    options: { confirm: 'name' },
    summary: 'tell what would be deleted; with its name, delete it',
    ask: ([tenant = ''], { confirm }) => ({
      method: 'DELETE',
      path: `/tenants/${part(tenant)}${confirm === undefined ? '' : `?confirm=${part(confirm)}`}`,
    }),
  },
  {
    name: 'key list',
    options: { tenant: 'tenant' },
    summary: 'all keys, or those of a tenant',
    ask: (_, { tenant }) => ({
      method: 'GET',
      path: `/api-keys${tenant === undefined ? '' : `?tenant=${part(tenant)}`}`,
      isList: true,
    }),
  },
  {
    name: 'key create',
    takes: ['name'],
    options: { scopes: 'a,b', tenant: 'tenant', sessions: 'a,b', cidrs: 'a,b', expires: 'time' },
    summary: `make a key; scopes are ${scopes.join(', ')}`,
    ask: ([name], { scopes: wanted, tenant = 'default', sessions, cidrs, expires }) => ({
      method: 'POST',
      path: '/api-keys',
      body: {
        ...{ name, tenant, scopes: listOf(wanted ?? needed('scopes')) },
        ...(sessions === undefined ? {} : { sessions: listOf(sessions) }),
        ...(cidrs === undefined ? {} : { cidrs: listOf(cidrs) }),
        ...(expires === undefined ? {} : { expiresAt: timeOf(expires) }),
      },
    }),
  },
  {
    name: 'key rotate',
    takes: ['id'],
    options: { overlap: 'seconds' },
    summary: 'give it a new text; the one before is good for a day, unless told otherwise',
    ask: ([id = ''], { overlap }) => ({
      method: 'POST',
      path: `/api-keys/${part(id)}/rotate`,
      body: overlap === undefined ? {} : { overlapSeconds: numberOf('overlap', overlap) },
    }),
  },
  {
    name: 'key revoke',
    takes: ['id'],
    summary: 'refuse it from now on',
    ask: ([id = '']) => ({ method: 'DELETE', path: `/api-keys/${part(id)}` }),
  },
  {
    name: 'key admin',
    options: { name: 'name' },
    summary: 'a new admin key, for whoever has lost theirs',
    ask: (_, { name = 'admin from the shell' }) => ({
      method: 'POST',
      path: '/api-keys',
      body: { name, tenant: 'default', scopes: ['admin'] },
    }),
  },
]

const always = { help: { type: 'boolean' }, json: { type: 'boolean' }, url: { type: 'string' } } as const

export interface Parsed {
  asked: Asked
  json: boolean
  /** Of a gateway that runs elsewhere. */
  url: string | undefined
}

/** Null when help is asked for. Throws UsageError. */
export function parseCommand(args: string[]): Parsed | null {
  if (args.length === 0 || args.includes('--help') || args[0] === 'help') return null
  const name = args.slice(0, 2).join(' ')
  const command = commands.find((each) => each.name === name)
  if (!command) throw new UsageError(`There is no command '${name}'.`)
  const own = Object.keys(command.options ?? {}).map((option) => [option, { type: 'string' }])
  const options = { ...(Object.fromEntries(own) as NonNullable<ParseArgsConfig['options']>), ...always }
  let parsed: { values: Record<string, unknown>; positionals: string[] }
  try {
    parsed = parseArgs({ args: args.slice(2), options, allowPositionals: true })
  } catch (error) {
    throw new UsageError(error instanceof Error ? error.message : String(error))
  }
  const { json, url, help: _, ...given } = parsed.values
  const takes = command.takes ?? []
  if (parsed.positionals.length !== takes.length) throw new UsageError(`Usage: npm run admin -- ${usageOf(command)}`)
  return {
    asked: command.ask(parsed.positionals, given as Options),
    json: json === true,
    url: url as string | undefined,
  }
}

export function helpText(): string {
  const usages = commands.map((command) => ({ usage: usageOf(command), summary: command.summary }))
  return [
    'npm run admin -- <command>',
    '',
    ...usages.map(({ usage, summary }) => `  ${usage}\n      ${summary}`),
    '',
    'Always: --json (the answer for programs), --url <address> (a gateway that does not listen on HOST and PORT), --help.',
    'It asks the gateway that runs, with the key of ADMIN_API_KEY or of DATA_DIR/admin-api-key; where none runs, it opens',
    'the database of DATABASE_URL or DATA_DIR by itself. It ends with 0; 1: refused; 2: not a command; 3: not reached.',
  ].join('\n')
}

function usageOf({ name, takes = [], options = {} }: Command): string {
  const flags = Object.entries(options).map(([option, value]) => `[--${option} <${value}>]`)
  return [name, ...takes.map((what) => `<${what}>`), ...flags].join(' ')
}

function limitsOf(options: Options): Record<string, number | null> {
  const camel = (text: string) => text.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase())
  return Object.fromEntries(
    Object.entries(options).flatMap(([option, value]) =>
      value === undefined ? [] : [[camel(option), value === 'none' ? null : numberOf(option, value)]],
    ),
  )
}

function numberOf(option: string, text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text)
  throw new UsageError(`--${option} must be a number.`)
}

function timeOf(text: string): string {
  const time = new Date(text)
  if (Number.isNaN(time.getTime())) throw new UsageError('--expires must be a time such as 2027-01-31T00:00:00Z.')
  return time.toISOString()
}

const listOf = (text: string) => text.split(',').flatMap((item) => item.trim() || [])

function needed(option: string): never {
  throw new UsageError(`--${option} is needed.`)
}
