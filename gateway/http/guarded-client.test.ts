import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { createGuardedClient, type GuardedClient, type Resolve } from './guarded-client.js'

/** Every name means these addresses. */
const resolvesTo =
  (...addresses: string[]): Resolve =>
  (_hostname, _options, done) =>
    done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    )

describe('the guarded client', () => {
  let server: Server
  let port: number
  let client: GuardedClient

  beforeAll(async () => {
    server = createServer((request, response) => {
      if (request.url === '/moved') response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()
      else if (request.url === '/slow') response.flushHeaders()
      else response.end('hello')
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    port = (server.address() as AddressInfo).port
  })
  afterEach(() => client.close())
  afterAll(() => {
    server.closeAllConnections()
    server.close()
  })

  const open = (allowCidrs: string[], resolve?: Resolve) => {
    client = createGuardedClient({ allowCidrs, ...(resolve ? { resolve } : {}) })
    return (url: string, timeoutMs = 5_000) => client.request({ url, timeoutMs })
  }

  it.each([
    'https://127.0.0.1/',
    'https://[::1]/',
    'https://[::ffff:127.0.0.1]/',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://10.1.2.3/',
    'https://192.168.0.1/',
    'https://[fe80::1]/',
    'https://[fd00::1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[2002:7f00:1::]/',
    'https://224.0.0.1/',
    'https://0.0.0.0/',
    'https://[::127.0.0.1]/',
    'https://[100:0:0:1::1]/',
    'https://168.63.129.16/',
  ])('refuses %s', async (url) => {
    const get = open([])
    await expect(get(url)).rejects.toMatchObject({ code: 'invalid', reason: 'blocked_address' })
  })

  it('refuses a name of which one address is private', async () => {
    const get = open([], resolvesTo('93.184.216.34', '10.0.0.7'))
    await expect(get('https://example.org/')).rejects.toMatchObject({ reason: 'blocked_address' })
  })

  it.each([
    'http://example.org/',
    'ftp://example.org/',
    'file:///etc/passwd',
    'not a url',
    'https://user:pw@example.org/',
  ])('refuses %s as a URL', async (url) => {
    const get = open([])
    await expect(get(url)).rejects.toMatchObject({ code: 'invalid', reason: 'invalid_url' })
  })

  it('reaches allowed private addresses, by name and by plain http', async () => {
    const get = open(['127.0.0.0/8'], resolvesTo('127.0.0.1'))
    const answer = await get(`http://receiver.internal:${port}/`)
    expect([answer.status, await answer.body.text()]).toEqual([200, 'hello'])
  })

  it('does not follow redirects', async () => {
    const get = open(['127.0.0.1/32'])
    const answer = await get(`http://127.0.0.1:${port}/moved`)
    await answer.body.dump()
    expect(answer.status).toBe(302)
  })

  it('gives up when the body takes too long', async () => {
    const get = open(['127.0.0.1/32'])
    const answer = await get(`http://127.0.0.1:${port}/slow`, 200)
    await expect(answer.body.text()).rejects.toThrow()
  })

  it('says that a dead address could not be reached', async () => {
    const get = open(['127.0.0.1/32'])
    await expect(get('http://127.0.0.1:1/')).rejects.toMatchObject({ code: 'unprocessable', reason: 'url_unreachable' })
  })
})
