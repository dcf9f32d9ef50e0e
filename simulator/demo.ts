import { spawn, type ChildProcess } from 'node:child_process'
import { createWriteStream } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { createSimulator } from './simulator.js'

/**
 * `npm run demo`: Switchboard against the simulated WhatsApp, with a page that shows the phones. Starts from nothing each
 * time, because the simulated WhatsApp forgets its accounts when it ends.
 */
const DATA_DIR = './data/demo'
const LOG = `${DATA_DIR}/switchboard.log`
const PORT = process.env.PORT ?? '3000'
const PHONES_PORT = Number(process.env.DEMO_PORT ?? 3080)
const gateway = `http://127.0.0.1:${PORT}`

const say = (text = '') => process.stdout.write(`${text}\n`)

// Codes stay longer than on the real WhatsApp: whoever reads this page for the first time needs a while.
const simulator = createSimulator({
  controlPort: PHONES_PORT,
  phonesPage: true,
  qrRotationMs: 60_000,
  wireLog: `${DATA_DIR}/wire.log`,
})
await startSimulator()
// Not before the port is ours: another demo may still be at work in there.
await rm(DATA_DIR, { recursive: true, force: true })
await mkdir(DATA_DIR, { recursive: true, mode: 0o700 })
await simulator.whatsapp.phone('4915111111111', { name: 'Shop' })
await simulator.whatsapp.phone('4915122222222', { name: 'Anna' })
await simulator.whatsapp.phone('4915133333333', { name: 'Ben' })

const switchboard = startSwitchboard()
let stopping = false
// `on`, not `once`: npm passes a Ctrl-C on that the terminal has sent already, and the second would end us at once.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => void stop())
switchboard.once('exit', (code) => void ended(code))

if (await isReady()) {
  explain(await startSession())
}

async function startSimulator(): Promise<void> {
  try {
    await simulator.start()
  } catch (error) {
    say(`Port ${PHONES_PORT} cannot be used (${String(error)}). Choose another: DEMO_PORT=3081 npm run demo`)
    process.exit(1)
  }
}

function startSwitchboard(): ChildProcess {
  const flags = [process.env.CHROMIUM_ARGS, simulator.chromiumArgsLine()]
  // Chromium has no sandbox for root, and says nothing helpful about it.
  if (process.getuid?.() === 0) flags.push('--no-sandbox')
  // What a person has set for the real thing, here or in .env, must not reach into the demo.
  const real = ['DATABASE_URL', 'HOST', 'NODES', 'PUBLIC_URL', 'SECRET_KEY', 'ADMIN_API_KEY', 'TELEGRAM_BOT_TOKEN']
  const unset = Object.fromEntries(real.map((name) => [name, '']))
  const child = spawn(process.execPath, [fileURLToPath(new URL('../main.js', import.meta.url))], {
    env: { ...process.env, ...unset, DATA_DIR, PORT, CHROMIUM_ARGS: flags.filter(Boolean).join(' ') },
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own group: a Ctrl-C in the terminal reaches it through us, in order.
    detached: true,
  })
  const log = createWriteStream(LOG)
  child.stdout?.pipe(log)
  child.stderr?.pipe(log)
  return child
}

/** Whether the gateway came up; false when its process ended instead. */
async function isReady(): Promise<boolean> {
  while (switchboard.exitCode === null && !stopping) {
    const answer = await fetch(`${gateway}/readyz`).catch(() => null)
    if (answer?.ok) return true
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  return false
}

/** Starts the session `default`, and answers with the address of the page that shows its QR code. */
async function startSession(): Promise<string> {
  const key = (await readFile(`${DATA_DIR}/admin-api-key`, 'utf8')).trim()
  const post = (path: string, body: object = {}) =>
    fetch(`${gateway}/api/v1${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(60_000),
    })
  const made = await post('/sessions', { name: 'default' })
  // Switchboard's first start may have made it already.
  const started = made.status === 409 ? await post('/sessions/default/start') : made
  if (!started.ok) throw new Error(`The session did not start: ${started.status} ${await started.text()}`)
  const link = await post('/sessions/default/link')
  return ((await link.json()) as { url: string }).url
}

function explain(page: string): void {
  const authorization = `-H "Authorization: Bearer $(cat ${DATA_DIR}/admin-api-key)"`
  say(`
Switchboard runs against a simulated WhatsApp. No account, no number and no internet are involved.

  1. Open the phones:     http://127.0.0.1:${PHONES_PORT}
     On the phone of Shop, choose "Linked devices" and scan the code of the session "default".
     What its owner would see while scanning:
     ${page}

  2. Let Anna write to Shop, then read what Switchboard has received:
     curl ${authorization} '${gateway}/api/v1/messages?session=default'

  3. Send to Anna and watch the ticks on her phone:
     curl ${authorization} -H 'Content-Type: application/json' \\
       -d '{"to":"+4915122222222","type":"text","text":{"body":"Hello Anna"}}' ${gateway}/api/v1/sessions/default/messages

  API reference: docs/api.md     Log: ${LOG}     What WhatsApp saw: ${DATA_DIR}/wire.log
  Ctrl-C ends it; the next demo begins afresh.
`)
}

async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  say('Stopping.')
  if (switchboard.exitCode === null && switchboard.signalCode === null) {
    const gone = once(switchboard, 'exit')
    switchboard.kill('SIGTERM')
    await gone
  }
  await simulator.stop()
}

async function ended(code: number | null): Promise<void> {
  if (stopping) return
  stopping = true
  const lines = (await readFile(LOG, 'utf8')).trimEnd().split('\n').slice(-15)
  say(`Switchboard ended by itself (${code}). The last lines of ${LOG}:\n\n${lines.join('\n')}`)
  process.exitCode = 1
  await simulator.stop()
}
