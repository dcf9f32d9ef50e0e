import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { botMetrics } from '../bot/bot-metrics.js'
import { processMetrics } from '../runtime/metrics.js'
import { startTestGateway, type TestGateway } from './gateway.js'
import { checkMetrics, promtool } from './promtool.js'

const folder = fileURLToPath(new URL('../docs/monitoring/', import.meta.url))
const docs = readFileSync(new URL('../docs/operations.md', import.meta.url), 'utf8')

interface Rule {
  alert: string
  expr: string
}
const rules = (parse(readFileSync(`${folder}alerts.yml`, 'utf8')) as { groups: { rules: Rule[] }[] }).groups.flatMap(
  (group) => group.rules,
)
const dashboard = JSON.parse(readFileSync(`${folder}dashboard.json`, 'utf8')) as {
  panels: { title: string; targets?: { expr: string; legendFormat: string }[] }[]
}
const panels = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map((target) => ({ title, ...target })))

/** The metrics that a query asks for, each with the labels that it selects or groups by. */
function askedFor(query: string): { name: string; labels: string[] }[] {
  const grouped = [...query.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, names = '']) => names.split(/,\s*/))
  return [...query.matchAll(/\b((?:switchboard|nodejs|process)_[a-z0-9_]+|up\b)(?:\{([^}]*)\})?/g)].map(
    ([, name = '', selector = '']) => ({
      name,
      labels: [...[...selector.matchAll(/(\w+)\s*=/g)].map(([, label = '']) => label), ...grouped],
    }),
  )
}

describe('what docs/monitoring has for Prometheus and Grafana', () => {
  let test: TestGateway
  let page: string
  /** By name: the labels that its series have; undefined where there is none now. */
  const known = new Map<string, Set<string> | undefined>()

  beforeAll(async () => {
    // Everything in one process, as `npm start` has it.
    const metrics = processMetrics()
    botMetrics(metrics).watch({ waiting: () => 0, nodes: { nodes: () => [] } })
    test = await startTestGateway({ outside: { metrics }, node: { outside: { metrics } } })
    await test.ask('GET', '/api/v1/sessions')
    page = await metrics.text()
    for (const [, name = ''] of page.matchAll(/^# TYPE (\S+)/gm)) known.set(name, undefined)
    for (const [, name = '', labels = ''] of page.matchAll(/^([a-z_0-9]+)(?:\{(.*)\})? /gm)) {
      const names = [...labels.matchAll(/(\w+)="/g)].map(([, label = '']) => label)
      known.set(name, new Set([...(known.get(name) ?? []), ...names]))
    }
  })
  afterAll(() => test.stop())

  it('is about numbers that are told by everything in one process, and that promtool has nothing to remark on', () =>
    checkMetrics(page))

  it('has rules that Prometheus takes, that wake somebody when they should, and that the docs explain', async () => {
    await promtool(['check', 'rules', `${folder}alerts.yml`])
    await promtool(['test', 'rules', `${folder}alerts.test.yml`])
    const unexplained = rules.map(({ alert }) => alert).filter((alert) => !docs.includes(`| \`${alert}\``))
    expect(unexplained).toEqual([])
  })

  it('asks only for what is there', () => {
    // Told only by a gateway that has a Redis; `up` and these labels are Prometheus's own.
    const elsewhere = ['up', 'switchboard_redis_up']
    const added = ['instance', 'job']
    const queries = [...rules.map(({ alert, expr }) => ({ title: alert, expr })), ...panels]
    expect(queries.length).toBeGreaterThan(50)
    const wrong = queries.flatMap(({ title, expr }) =>
      askedFor(expr).flatMap(({ name, labels }) => {
        if (elsewhere.includes(name)) return []
        if (!known.has(name)) return [`${title}: there is no ${name}`]
        const has = known.get(name)
        const unknown = labels.filter((label) => has && ![...has, ...added].includes(label))
        return unknown.map((label) => `${title}: ${name} has no label ${label}`)
      }),
    )
    expect(wrong).toEqual([])
  })
})
