/**
 * npm run bench: measures, and says what was aimed for.
 *
 *   npm run bench -- --only messages,webhooks    some of it
 *   npm run bench -- --quick                       shorter runs, fewer sessions
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { sleep } from '../runtime/clock.js'
import { benchAck } from './ack.js'
import { commit, machine } from './machine.js'
import { benchMemory } from './memory.js'
import { benchMessages } from './messages.js'
import { childrenOf } from './process-memory.js'
import { type Figure, met, table } from './report.js'
import { benchWebhooks } from './webhooks.js'

export interface BenchOptions {
  quick: boolean
  /** An empty directory for everything that is kept during the run. */
  directory: string
  say: (line: string) => void
}

/** A session node with many browsers takes its time. */
const STOP_MS = 45_000

const benches: Record<string, (options: BenchOptions) => Promise<Figure[]>> = {
  messages: benchMessages,
  ack: benchAck,
  webhooks: benchWebhooks,
  memory: benchMemory,
}

const { values } = parseArgs({ options: { only: { type: 'string' }, quick: { type: 'boolean', default: false } } })
const wanted = values.only?.split(',') ?? Object.keys(benches)
const unknown = wanted.filter((name) => !(name in benches))
if (unknown.length > 0)
  throw new Error(`No such bench: ${unknown.join(', ')}. There are ${Object.keys(benches).join(', ')}`)

let stopping = false
const directories: string[] = []
const remove = (directory: string) => rmSync(directory, { recursive: true, force: true, maxRetries: 20 })
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => void interrupted())

/** Whatever was started ends with us, and what it wrote goes. */
async function interrupted(): Promise<never> {
  stopping = true
  const began = Date.now()
  for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGTERM')
  while (childrenOf(process.pid).length > 0 && Date.now() - began < STOP_MS) await sleep(100)
  for (const pid of childrenOf(process.pid)) process.kill(pid, 'SIGKILL')
  directories.forEach(remove)
  process.exit(130)
}

const say = (line: string) => void process.stderr.write(`${line}\n`)
console.log(`commit ${commit()}; ${machine()}; ${new Date().toISOString()}${values.quick ? '; quick' : ''}`)
let missed = 0
for (const name of wanted) {
  const directory = mkdtempSync(join(tmpdir(), `switchboard-bench-${name}-`))
  directories.push(directory)
  try {
    const figures = (await benches[name]?.({ quick: values.quick, directory, say })) ?? []
    console.log(`\n## ${name}\n\n${table(figures)}`)
    missed += figures.filter((figure) => met(figure) === false).length
  } catch (error) {
    // What was ended under its feet has nothing to tell; interrupted() ends the process.
    if (!stopping) throw error
    await new Promise<never>(() => {})
  } finally {
    remove(directory)
  }
}
console.log(missed === 0 ? '\nEvery aim was met.' : `\n${missed} missed; docs/benchmarks.md says why.`)
