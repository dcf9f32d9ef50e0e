/**
 * whatsapp-web.js as anyone uses it who calls it directly: puppeteer's default flags, one client each, in a process of
 * its own. Driven by its parent: see direct.ts.
 */
import wwebjs from 'whatsapp-web.js'
import { getChromium } from '../session-node/whatsapp/wwebjs/chromium.js'
import { SimulatorClient } from '../simulator/simulator-client.js'
import type { DirectReply, DirectRequest } from './direct.js'

const { Client, LocalAuth } = wwebjs
const clients = new Map<string, wwebjs.Client>()
const acknowledged = new Map<string, (at: number) => void>()

process.on('message', (request: DirectRequest) => {
  const work = request.op === 'link' ? link(request) : request.op === 'send' ? send(request) : stop()
  work.then(
    (ms) => reply({ id: request.id, ms }),
    (error: unknown) => reply({ id: request.id, ms: 0, error: String(error) }),
  )
})

// With puppeteer's default transport a browser outlives the process that started it.
process.on('disconnect', () => void stop().finally(() => process.exit()))
process.on('SIGTERM', () => void stop().finally(() => process.exit()))

function reply(message: DirectReply): void {
  process.send?.(message)
}

/** Launches a client and links it as soon as it shows a QR code. Answers with the time until it is ready. */
async function link({ phone, directory, chromiumArgs, control }: DirectRequest & { op: 'link' }): Promise<number> {
  const began = performance.now()
  const client = new Client({
    authStrategy: new LocalAuth({ clientId: phone, dataPath: directory }),
    webVersionCache: { type: 'none' },
    puppeteer: {
      headless: true,
      executablePath: getChromium({ chromiumPath: process.env.CHROMIUM_PATH }),
      args: [...chromiumArgs, ...(process.getuid?.() === 0 ? ['--no-sandbox'] : [])],
    },
  })
  clients.set(phone, client)
  const simulated = await new SimulatorClient(control).phone(phone)
  const ready = new Promise<void>((resolve, reject) => {
    client.once('ready', resolve)
    client.once('qr', (qr: string) => void simulated.scan(qr).catch(reject))
  })
  client.on('message_ack', (message, ack) => {
    if (ack >= 1) acknowledged.get(message.body)?.(performance.now())
  })
  await client.initialize()
  await ready
  return performance.now() - began
}

/** Sends a text; answers with the time until WhatsApp's server has acknowledged it. */
async function send({ phone, to, body }: DirectRequest & { op: 'send' }): Promise<number> {
  const ack = new Promise<number>((resolve) => acknowledged.set(body, resolve))
  const began = performance.now()
  await clients.get(phone)?.sendMessage(`${to}@c.us`, body)
  const at = await ack
  acknowledged.delete(body)
  return at - began
}

async function stop(): Promise<number> {
  await Promise.allSettled([...clients.values()].map((client) => client.destroy()))
  clients.clear()
  return 0
}
