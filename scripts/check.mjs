// npm run check: what CI runs, in its order, with one line at the end that says how it went.
import { spawn } from 'node:child_process'
import { duration, root } from './steps.mjs'

const startedAt = Date.now()
const npm = (...args) => ['npm', ['run', '--silent', ...args]]
const stages = [
  { 'gRPC types': npm('gen') },
  // These two share the cores; the suites then have them to themselves.
  { types: ['npx', ['tsc', '--noEmit']], lint: npm('lint') },
  { 'unit tests': npm('test:unit') },
  { 'end-to-end tests': npm('test:e2e') },
  { faults: npm('test:faults:quick') },
]
const results = []

for (const stage of stages) {
  results.push(...(await Promise.all(Object.entries(stage).map(([name, command]) => runCommand(name, command)))))
  if (results.some(({ ok }) => !ok)) break
}

const failed = results.some(({ ok }) => !ok)
const parts = results.map(({ name, ok, ms }) => `${name} ${ok ? 'ok' : 'FAILED'} (${duration(ms)})`)
const all = duration(Date.now() - startedAt)
process.stdout.write(`\n${failed ? 'FAILED' : 'All passed'}: ${parts.join(', ')}; ${all} in all.\n`)
process.exitCode = failed ? 1 : 0

function runCommand(name, [command, args]) {
  const startedAt = Date.now()
  return new Promise((resolve) => {
    const child = spawn(command, args, { cwd: root, stdio: 'inherit' })
    const end = (ok) => resolve({ name, ok, ms: Date.now() - startedAt })
    child.on('error', (error) => {
      process.stderr.write(`${error.message}\n`)
      end(false)
    })
    child.on('close', (code) => end(code === 0))
  })
}
