import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, createServer as createTcpServer } from 'node:net'
import { join } from 'node:path'
import { expect } from 'vitest'
import { forbiddenUrls } from './forbidden-addresses.js'
import { countBy, type ShownDelivery } from './hooked-rig.js'
import { row } from './row.js'
import { until } from '../until.js'

const REFUSALS = ['blocked_address', 'invalid_url']
const preload = new URL('./no-outside.mjs', import.meta.url).href

row('F18', 'webhooks and media URLs that lead to where nobody may go', async ({ rig: make, afterwards }) => {
  let reached = 0
  const canary = createTcpServer((socket) => {
    reached += 1
    socket.destroy()
  }).listen(0, '::')
  await once(canary, 'listening')
  afterwards(async () => void canary.close())
  const { port } = canary.address() as AddressInfo
  const redirecting = await listening((path) => `http://127.0.0.1:${port}${path}`)
  afterwards(async () => void redirecting.close())
  let dialled = ''
  const rig = await make({
    env: (name) => {
      if (!name.startsWith('gateway')) return {}
      // Only the one that redirects may be called.
      const allowed = { WEBHOOK_ALLOW_CIDRS: '127.0.0.2/32', DELIVERY_SCHEDULE: '0,100' }
      return { ...allowed, NODE_OPTIONS: `--no-deprecation --import ${preload}`, DIALLED: dialled }
    },
    prepare: async ({ dataDir }) => void (dialled = join(dataDir, 'dialled')),
  })
  await rig.sandboxSession('one')
  const rest = rig.rest()
  const redirectingUrl = `http://127.0.0.2:${(redirecting.address() as AddressInfo).port}`
  const redirects = ['/', '/301', '/307', '/308'].map((path) => `${redirectingUrl}${path}`)
  const urls = [...forbiddenUrls(port), ...redirects]
  expect(new Set(urls).size).toBeGreaterThanOrEqual(60)

  const outcomes: { url: string; said: string; how: string }[] = []
  const registered: { url: string; id: string }[] = []
  for (const url of urls) {
    const { status, body } = await rest.post('/webhooks', { url, events: ['message.received'] })
    if (status === 201) registered.push({ url, id: body.id as string })
    else outcomes.push({ url, said: String(body.detail), how: `refused: ${status} ${body.code}` })
    const image = { to: '+4915112345678', type: 'image', image: { url } }
    const media = await rest.post('/sessions/one/messages', image)
    outcomes.push({ url, said: String(media.body.detail), how: `media: ${media.status} ${media.body.code}` })
  }
  const contact = { from: '+15550009999', type: 'text', text: { body: rig.ledger.canary } }
  expect((await rest.post('/sessions/one/sandbox/receive', contact)).status).toBeLessThan(300)
  for (const { url, id } of registered) {
    const { attempts } = await until(`the delivery to ${url} is over`, async () => {
      const { body } = await rest.get(`/webhooks/${id}/deliveries`)
      return (body.data as ShownDelivery[]).find(({ status }) => status !== 'pending')
    })
    for (const { status, error = status, answer = '' } of attempts) {
      outcomes.push({ url, said: answer, how: `attempt: ${error}` })
    }
  }

  expect(reached).toBe(0)
  const outside = (await readFile(dialled, 'utf8').catch(() => '')).split('\n').filter((line) => line !== '')
  // What the table calls public, and nothing else.
  expect([...new Set(outside)]).toEqual(['93.184.216.34'])
  // Nothing is told of what a name means.
  const told = outcomes.filter(({ url, said }) =>
    /127\.0\.0\.1|::1|169\.254|10\.0\.0/.test(said.replaceAll(hostOf(url), '')),
  )
  expect(told).toEqual([])
  const counts = countBy(outcomes, ({ how }) => how)
  const wrong = outcomes.filter(
    ({ url, how }) =>
      !REFUSALS.some((code) => how.endsWith(code)) && !redirects.includes(url) && !/rebinding|example\.org/.test(url),
  )
  expect(wrong).toEqual([])
  expect(outcomes.some(({ url, how }) => url.includes('rebinding') && how === 'attempt: blocked_address')).toBe(true)
  return `${urls.length} URLs, 0 connections to the canary; ${Object.entries(counts)
    .map(([how, count]) => `${count} x ${how}`)
    .join(', ')}`
})

/** As it stands in a sentence about it; a URL that is none has no host. */
function hostOf(url: string): string {
  return URL.canParse(url) ? new URL(url).hostname.replace(/^\[|\]$/g, '') : url
}

async function listening(target: (path: string) => string): Promise<Server> {
  const server = createServer((request, response) => {
    const path = request.url ?? '/'
    response.writeHead(Number(path.slice(1)) || 302, { location: target(path) }).end()
  })
  server.listen(0, '127.0.0.2')
  await once(server, 'listening')
  return server
}
