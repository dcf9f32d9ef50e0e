import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { Metrics } from '../../runtime/metrics.js'
import { type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { API } from '../../test/messages.js'
import { type RedisServer, startRedisServer } from '../../test/redis-server.js'
import { until } from '../../test/until.js'
import { newKey } from '../tenants/api-key.js'
import { addressGroup } from './address-group.js'

const LIMIT = 10
const ask = (test: TestGateway, key?: string): Promise<Answer> =>
  test.ask('GET', `${API}/sessions`, undefined, key === undefined ? {} : { key })
const statuses = async (asked: Promise<Answer>[]) => (await Promise.all(asked)).map(({ status }) => status)
const count = (all: number[], status: number) => all.filter((one) => one === status).length

describe('requests per minute', () => {
  const running: TestGateway[] = []
  async function gateway(config: Partial<TestGateway['config']> = {}, metrics = new Metrics()): Promise<TestGateway> {
    const test = await startTestGateway({ nodes: 0, config, outside: { metrics } })
    running.push(test)
    await test.gateway.tenants.change('default', { limits: { requestsPerMinute: LIMIT } })
    return test
  }
  afterEach(async () => {
    for (const test of running.splice(0)) {
      await test.gateway.tenants.change('default', { limits: { requestsPerMinute: null } })
      await test.stop()
    }
  })

  it('are told in headers, and those that are too many are refused until the minute is over', async () => {
    const test = await gateway()
    const first = await ask(test)
    expect(first.status).toBe(200)
    expect(first.headers.get('ratelimit-policy')).toBe('"tenant";q=10;w=60')
    expect(first.headers.get('ratelimit')).toBe('"tenant";r=9;t=60')
    expect(count(await statuses(Array.from({ length: 20 }, () => ask(test))), 200)).toBe(LIMIT - 1)
    const refused = await ask(test)
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } })
    expect(refused.headers.get('ratelimit')).toMatch(/^"tenant";r=0;t=\d\d$/)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
    expect((await test.ask('GET', '/readyz')).headers.has('ratelimit')).toBe(false)
  })

  it('of a key that has a limit of its own are not taken from the others of its tenant', async () => {
    const test = await gateway()
    const wanted = { name: 'slow', scopes: ['sessions:read'], requestsPerMinute: 2 }
    const { key } = (await test.ask('POST', `${API}/api-keys`, wanted)).body
    const first = await ask(test, key)
    expect(first.headers.get('ratelimit-policy')).toBe('"key";q=2;w=60, "tenant";q=10;w=60')
    expect(first.headers.get('ratelimit')).toMatch(/^"key";r=1;t=60, "tenant";r=8;t=\d\d$/)
    expect(count(await statuses(Array.from({ length: 20 }, () => ask(test, key))), 200)).toBe(1)
    expect((await ask(test)).headers.get('ratelimit')).toMatch(/^"tenant";r=6;/)
  })

  describe('of several gateways with a Redis', () => {
    let redis: RedisServer
    beforeAll(async () => {
      redis = await startRedisServer()
    })
    afterAll(() => redis.kill())

    it('are counted together, by each for itself while it is away, and together again', async () => {
      const metrics = [new Metrics(), new Metrics()]
      const both: TestGateway[] = []
      for (const one of metrics) both.push(await gateway({ redisUrl: redis.url }, one))
      const tell = async () => (await Promise.all(metrics.map((one) => one.text()))).join('')
      const askBoth = (times: number) =>
        statuses(both.flatMap((test) => Array.from({ length: times }, () => ask(test))))
      expect(count(await askBoth(15), 200)).toBe(LIMIT)

      redis.freeze()
      // Another limit is another count; what is used up is not asked for again.
      for (const { gateway } of both) await gateway.tenants.change('default', { limits: { requestsPerMinute: 20 } })
      const alone = await askBoth(30)
      expect(count(alone, 200)).toBe(2 * 20)
      expect(count(alone, 429)).toBe(2 * 10)
      expect((await tell()).match(/^switchboard_redis_up 0$/gm)).toHaveLength(2)
      expect(await tell()).toMatch(/^switchboard_rate_limit_refusals_total\{kind="tenant"\} [1-9]/m)

      await redis.kill()
      await redis.resume()
      await until('both ask Redis again', async () => (await tell()).match(/^switchboard_redis_up 1$/gm)?.length === 2)
      for (const { gateway } of both) await gateway.tenants.change('default', { limits: { requestsPerMinute: 30 } })
      expect(count(await askBoth(40), 200)).toBe(30)
    })

    it('are counted by a gateway that is started while it is away', async () => {
      const test = await gateway({ redisUrl: 'redis://127.0.0.1:1' })
      expect(count(await statuses(Array.from({ length: 20 }, () => ask(test))), 200)).toBe(LIMIT)
    })
  })
})

describe('keys that are not valid', () => {
  const WRONG = 3

  it('are tried out from one address a few times only, which stops neither keys that were good there nor other addresses', async () => {
    const test = await startTestGateway({ nodes: 0, config: { authFailuresPerMinute: WRONG, trustProxy: 1 } })
    const from = (address: string, key?: string) =>
      test.ask('GET', `${API}/sessions`, undefined, {
        ...(key === undefined ? {} : { key }),
        // What the client wrote itself, and what the proxy added.
        headers: { 'X-Forwarded-For': `203.0.113.${Math.ceil(Math.random() * 200)}, ${address}` },
      })
    const good = await test.gateway.issueKey({ name: 'good', scopes: ['admin'] })
    const unseen = await test.gateway.issueKey({ name: 'unseen', scopes: ['admin'] })
    expect((await from('2001:db8:1:2::7', good)).status).toBe(200)
    for (let n = 0; n < WRONG; n++) expect((await from(`2001:db8:1:2::${n}`, newKey())).status).toBe(401)
    const refused = await from('2001:db8:1:2:ffff::1', newKey())
    expect(refused).toMatchObject({ status: 429, body: { code: 'too_many_failures' } })
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(30)
    expect((await from('2001:db8:1:2::9', unseen)).status).toBe(429)
    expect((await from('2001:db8:1:2::8', good)).status).toBe(200)
    expect((await from('2001:db8:1:3::1', unseen)).status).toBe(200)
    await test.stop()
  })

  it('are counted by the address of IPv4, also when it is written as one of IPv6', () => {
    expect(addressGroup('::ffff:192.0.2.7')).toBe('192.0.2.7')
    expect(addressGroup('2001:db8:1:2:3:4:5:6')).toBe(addressGroup('2001:db8:1:2::1'))
    expect(addressGroup('2001:db8:1:3::1')).not.toBe(addressGroup('2001:db8:1:2::1'))
    expect(addressGroup('')).toBe('unknown')
  })
})
