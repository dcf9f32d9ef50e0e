import { createSimulator } from './simulator.js'

/** Runs the simulator alone: `node dist/simulator/main.js [--port=0] [--wire-log=FILE]`, or by environment. */
const argument = (name: string) =>
  process.argv.find((each) => each.startsWith(`--${name}=`))?.slice(`--${name}=`.length) ??
  process.env[`SIMULATOR_${name.toUpperCase().replaceAll('-', '_')}`]

const wireLog = argument('wire-log')
const settings = JSON.parse(argument('settings') ?? '{}') as object
const simulator = createSimulator({
  controlPort: Number(argument('port') ?? 0),
  ...(wireLog !== undefined && { wireLog }),
  ...settings,
})
await simulator.start()

const chromiumArgs = simulator.chromiumArgs()
const ready = {
  control: simulator.address,
  chromiumArgs,
  chromiumArgsLine: simulator.chromiumArgsLine(),
  pid: process.pid,
}
process.stdout.write(`${JSON.stringify(ready)}\n`)

let stopping: Promise<void> | undefined
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void (stopping ??= simulator.stop()))
