/** What an integrator writes with a client that was generated from the OpenAPI document. Compiled beside it, in a test. */
import assert from 'node:assert/strict'
import { createClient } from './client/client/index.js'
import {
  createSession,
  createWebhook,
  getMessage,
  getSession,
  listDeliveries,
  listEvents,
  listMessages,
  pairSandbox,
  sendMessage,
} from './client/sdk.gen.js'
import type { Message } from './client/types.gen.js'

const [, , baseUrl = '', key = '', receiver = ''] = process.argv
const client = createClient({ baseUrl, auth: ({ scheme }) => (scheme === 'bearer' ? key : undefined) })

async function until<Found>(what: string, look: () => Promise<Found | undefined>): Promise<Found> {
  for (const deadline = Date.now() + 20_000; Date.now() < deadline;) {
    const found = await look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  throw new Error(`It did not come: ${what}`)
}

const wrong = await createSession({ client, body: { name: 'Not A Name' } })
assert.equal(wrong.error?.code, 'invalid_request')

const { data: session } = await createSession({
  client,
  body: { name: 'generated', engine: 'sandbox', sandbox: { phone: '+15550177' } },
  throwOnError: true,
})
const path = { session: session.id }
await until('the QR code', async () => {
  const { data } = await getSession({ client, path, throwOnError: true })
  return data.status === 'qr_pending' ? data : undefined
})
await pairSandbox({ client, path, body: {}, throwOnError: true })
await until('the link', async () => {
  const { data } = await getSession({ client, path, throwOnError: true })
  return data.status === 'connected' ? data : undefined
})

const { data: webhook } = await createWebhook({
  client,
  body: { url: receiver, events: ['message.*'] },
  throwOnError: true,
})
assert.match(webhook.secret, /^whsec_/)

const sent = await sendMessage({
  client,
  path,
  headers: { 'Idempotency-Key': 'generated-1', Prefer: 'wait=10' },
  body: { to: '+4915112345678', type: 'text', text: { body: 'From a generated client' }, reference: 'order-77' },
  throwOnError: true,
})
assert.equal(sent.response.status, 200)
const message: Message = await until('the delivery to the phone', async () => {
  const { data } = await getMessage({ client, path: { id: sent.data.id }, throwOnError: true })
  return data.status === 'delivered' ? data : undefined
})
assert.deepEqual(message.text, { body: 'From a generated client' })
assert.equal(message.history?.[0]?.status, 'pending')

const { data: listed } = await listMessages({ client, query: { session: 'generated', limit: 10 }, throwOnError: true })
assert.deepEqual(
  listed.data.map(({ id }) => id),
  [message.id],
)
const { data: events } = await listEvents({ client, query: { type: 'message.sent' }, throwOnError: true })
const [event] = events.data
// The union of all events is told apart by its type.
assert.equal(event?.type === 'message.sent' && event.data.reference, 'order-77')
await until('the delivery to the webhook', async () => {
  const { data } = await listDeliveries({ client, path: { id: webhook.id }, throwOnError: true })
  return data.data.find(({ status, type }) => status === 'succeeded' && type === 'message.delivered')
})
