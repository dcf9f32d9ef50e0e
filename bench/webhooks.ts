/** How soon and how fast events reach receivers. docs/benchmarks.md says what each figure means. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { Pool } from 'undici'
import { sleep } from '../runtime/clock.js'
import { until } from '../test/until.js'
import { bad, eventOf, WebhookCatcher } from '../test/webhook-catcher.js'
import type { BenchOptions } from './main.js'
import { type Figure, median, quantile } from './report.js'
import { startSimulatedWhatsapp } from './simulated-whatsapp.js'
import { startSwitchboard, type Switchboard } from './switchboard.js'

const SETTINGS = { WEBHOOK_ALLOW_CIDRS: '127.0.0.1/32' }
const AIM_HEALTHY_P99_MS = 1_000
const CONTACT = '+491510000002'
const WRITERS = 20

export async function benchWebhooks(options: BenchOptions): Promise<Figure[]> {
  const sink = new WebhookCatcher()
  await sink.start()
  try {
    const soon = await fromPageToReceiver(options, sink)
    return [...soon, ...(await onSandbox(options, sink))]
  } finally {
    await sink.stop()
  }
}

/** From a contact's phone to the receiver, through the page. */
async function fromPageToReceiver({ quick, directory, say }: BenchOptions, sink: WebhookCatcher): Promise<Figure[]> {
  const count = quick ? 50 : 300
  const simulated = await startSimulatedWhatsapp({ allRegistered: true })
  try {
    const switchboard = await startSwitchboard({
      directory: made(directory, 'page'),
      gatewaySettings: SETTINGS,
      nodeSettings: { CHROMIUM_ARGS: simulated.chromiumArgsLine },
    })
    try {
      await switchboard.link('bench', '491510000001', simulated.whatsapp)
      await hook(switchboard, sink.url('/page'))
      const contact = await simulated.whatsapp.phone('491510000002')
      const began = new Map<string, number>()
      const latencies: number[] = []
      sink.reply = (caught) => {
        const text = String(eventOf(caught).data.message.text.body)
        latencies.push(performance.now() - (began.get(text) ?? Number.NaN))
        return 204
      }
      for (let message = 0; message < count; message++) {
        began.set(`${message}`, performance.now())
        await contact.sendText('491510000001', `${message}`)
        await until('it is at the receiver', () => latencies.length > message, { everyMs: 1 })
        // One at a time, not in step with anything.
        await sleep(20 + Math.random() * 40)
        if (message === Math.floor(count / 2)) say(`webhooks: ${message} of ${count} messages`)
      }
      const note = `p50 of ${count} messages, one at a time; p99 ${Math.round(quantile(latencies, 0.99))} ms`
      return [{ name: 'from the contact to the receiver', measured: median(latencies), unit: 'ms', note }]
    } finally {
      await switchboard.stop()
    }
  } finally {
    await simulated.stop()
  }
}

async function onSandbox({ quick, directory, say }: BenchOptions, sink: WebhookCatcher): Promise<Figure[]> {
  const switchboard = await startSwitchboard({ directory: made(directory, 'sandbox'), gatewaySettings: SETTINGS })
  const contacts = new Pool(switchboard.rest.url, { connections: WRITERS })
  const bench = { switchboard, sink, contacts, say }
  try {
    const { rest } = switchboard
    const sandbox = { phone: '+491510000001', autoPair: true }
    await rest.post('/sessions', { name: 'bench', engine: 'sandbox', sandbox })
    await until('it is connected', async () => (await rest.get('/sessions/bench')).body.status === 'connected')
    sink.reply = () => 204
    await write(bench, 200)
    const figures: Figure[] = []
    for (const webhooks of [1, 10, 100]) {
      figures.push(...(await throughput(bench, webhooks, Math.round((quick ? 2_000 : 8_000) / Math.sqrt(webhooks)))))
    }
    figures.push(await besideOneThatHangs(bench, quick ? 500 : 2_000))
    return figures
  } finally {
    await contacts.close()
    await switchboard.stop()
  }
}

interface Bench {
  switchboard: Switchboard
  sink: WebhookCatcher
  contacts: Pool
  say: (line: string) => void
}

/** `events` to each of so many webhooks: as they come in, and from a backlog. */
async function throughput(bench: Bench, webhooks: number, events: number): Promise<Figure[]> {
  const { switchboard, sink, say } = bench
  say(`webhooks: ${events} events, ${webhooks} webhooks`)
  const path = `/${webhooks}`
  const make = () => Promise.all(Array.from({ length: webhooks }, () => hook(switchboard, sink.url(path))))
  const drop = (ids: string[]) => Promise.all(ids.map((id) => switchboard.rest.delete(`/webhooks/${id}`)))
  const all = events * webhooks
  const delivered = async (work: () => Promise<unknown>): Promise<number> => {
    sink.caught.length = 0
    const began = performance.now()
    await work()
    const waiting = { timeoutMs: 300_000, everyMs: 2, seen: () => `${sink.caught.length} of ${all}` }
    await until('everything has arrived', () => sink.caught.length >= all, waiting)
    return (all * 1_000) / (performance.now() - began)
  }

  const live = await make()
  const perSecond = await delivered(() => write(bench, events))
  await drop(live)

  const since = new Date().toISOString()
  await sleep(5)
  await write(bench, events)
  await stored(bench, since, events)
  const late = await make()
  const fromBacklog = await delivered(() =>
    Promise.all(late.map((id) => switchboard.rest.post(`/webhooks/${id}/replay`, { since }))),
  )
  await drop(late)
  const to = `${webhooks} ${webhooks === 1 ? 'webhook' : 'webhooks'}`
  const note = `${events} events`
  return [
    { name: `delivered as it comes in, ${to}`, measured: perSecond, unit: 'deliveries/s', note },
    { name: `delivered from a backlog, ${to}`, measured: fromBacklog, unit: 'deliveries/s', note },
  ]
}

/** At 100 events a second. */
async function besideOneThatHangs(bench: Bench, events: number): Promise<Figure> {
  const { switchboard, sink, say } = bench
  say(`webhooks: ${events} events, one of two webhooks hangs`)
  sink.caught.length = 0
  sink.reply = ({ path }) => (path === '/hangs' ? bad.hangs : 204)
  await Promise.all(['/hangs', '/well'].map((path) => hook(switchboard, sink.url(path))))
  for (let written = 0; written < events; written += 5) {
    const began = performance.now()
    await write(bench, 5)
    await sleep(50 - (performance.now() - began))
  }
  await until('everything has arrived', () => sink.at('/well').length >= events, { timeoutMs: 60_000 })
  const latencies = sink.at('/well').map((caught) => caught.at - Date.parse(eventOf(caught).timestamp))
  return {
    name: 'a healthy webhook while another hangs, p99',
    measured: quantile(latencies, 0.99),
    unit: 'ms',
    aim: { most: AIM_HEALTHY_P99_MS },
    note: `p50 ${median(latencies)} ms; ${sink.at('/hangs').length} attempts at the one that hangs`,
  }
}

async function hook({ rest }: Switchboard, url: string): Promise<string> {
  const { status, body } = await rest.post('/webhooks', { url, events: ['message.received'] })
  if (status !== 201) throw new Error(`POST /webhooks: ${status} ${JSON.stringify(body)}`)
  return String(body.id)
}

/** So many messages from a contact, as fast as they are taken. */
async function write({ switchboard, contacts }: Bench, count: number): Promise<void> {
  let left = count
  const headers = { authorization: `Bearer ${switchboard.rest.key}`, 'content-type': 'application/json' }
  const body = JSON.stringify({ from: CONTACT, type: 'text', text: { body: 'The quick brown fox.' } })
  const path = '/api/v1/sessions/bench/sandbox/receive'
  const writer = async () => {
    while (left-- > 0) {
      const answer = await contacts.request({ method: 'POST', path, headers, body })
      const said = await answer.body.text()
      if (answer.statusCode >= 300) throw new Error(`${path}: ${answer.statusCode} ${said}`)
    }
  }
  await Promise.all(Array.from({ length: Math.min(WRITERS, count) }, writer))
}

/** The gateway has all that was written since. */
async function stored({ switchboard: { rest } }: Bench, since: string, count: number): Promise<void> {
  const query = `direction=in&since=${encodeURIComponent(since)}&limit=500`
  let found = 0
  let cursor = ''
  await until(
    'everything is stored',
    async () => {
      const { body } = await rest.get(`/messages?${query}${cursor}`)
      found += body.data.length as number
      if (body.nextCursor && body.data.length > 0) cursor = `&cursor=${encodeURIComponent(String(body.nextCursor))}`
      else if (found < count) [found, cursor] = [0, '']
      return found >= count
    },
    { timeoutMs: 60_000, everyMs: 20, seen: () => found },
  )
}

function made(directory: string, name: string): string {
  const path = join(directory, name)
  mkdirSync(path)
  return path
}
