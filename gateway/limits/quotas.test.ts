import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import { databases } from '../../test/databases.js'
import { ADMIN_KEY, type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { API, type Talk, talkThrough, text } from '../../test/messages.js'
import { createGateway } from '../gateway.js'

const QUOTA = 10
const DAY_MS = 86_400_000

describe.each(databases())('messages per day on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  let session: string
  /** Ten minutes before a day ends; each test has days of its own. */
  let now = Date.UTC(2026, 10, 23, 23, 50)
  let days = 0
  const resetsAt = () => new Date((Math.floor(now / DAY_MS) + 1) * DAY_MS).toISOString()
  const allow = (messagesPerDay: number) => test.gateway.tenants.change('default', { limits: { messagesPerDay } })

  beforeAll(async () => {
    test = await startTestGateway({ target, outside: { clock: () => now } })
    talk = talkThrough(test)
    session = await talk.linked()
  })
  beforeEach(async () => {
    now = Date.UTC(2026, 10, 23, 23, 50) + 2 * ++days * DAY_MS
    await allow(QUOTA)
  })
  afterAll(() => test.stop())

  const send = (url = test.gateway.localUrl(), headers: Record<string, string> = {}): Promise<Answer['status']> =>
    fetch(`${url}${API}/sessions/${session}/messages`, {
      method: 'POST',
      headers: { 'X-API-Key': ADMIN_KEY, 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(text('hi')),
    }).then(({ status }) => status)
  const told = async () => {
    const { body } = await test.ask('GET', `${API}/events?type=quota.warning,quota.reached`)
    const events = body.data as { type: string; data: { used: number; resetsAt: string } }[]
    return events.map(({ type, data }) => ({ type, ...data })).filter((one) => one.resetsAt === resetsAt())
  }
  const accepted = (answers: number[]) => answers.filter((status) => status === 202).length

  it('are exactly as many as the tenant may have, however many ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => send()))
    expect(accepted(answers)).toBe(QUOTA)
    expect(answers.filter((status) => status === 429)).toHaveLength(50 - QUOTA)
    const since = new Date(now).toISOString()
    expect((await test.ask('GET', `${API}/messages?since=${since}`)).body.data).toHaveLength(QUOTA)
    const refused = await talk.send(session, text('more'))
    expect(refused).toMatchObject({
      status: 429,
      body: { code: 'quota_exceeded', resetsAt: resetsAt() },
    })
    expect(refused.headers.get('retry-after')).toBe('600')
    const limit = { quota: 'messagesPerDay', limit: QUOTA, used: QUOTA, resetsAt: resetsAt() }
    expect(await told()).toEqual([
      { type: 'quota.warning', ...limit, used: expect.any(Number) as number },
      { type: 'quota.reached', ...limit },
    ])

    now += 600_000
    expect(await send()).toBe(202)
  })

  it('tells once that most are used, and once that all are', async () => {
    for (let count = 1; count <= QUOTA + 1; count++) {
      expect(await send()).toBe(count <= QUOTA ? 202 : 429)
      const types = (await told()).map(({ type, used }) => `${type} ${used}`)
      const due = [...(count >= 8 ? ['quota.warning 8'] : []), ...(count >= 10 ? ['quota.reached 10'] : [])]
      expect(types).toEqual(due)
    }
    await allow(QUOTA * 2)
    expect(await send()).toBe(202)
    expect(await told()).toHaveLength(2)
  })

  it('do not count what is asked again under its key, and leave the key of what they refuse free', async () => {
    const keyed = (key: string) => send(undefined, { 'Idempotency-Key': key })
    const answers = await Promise.all(Array.from({ length: 30 }, (_, n) => keyed(`key-${n % 5}`)))
    expect(accepted(answers)).toBe(30)
    const rest = await Promise.all(Array.from({ length: 24 }, (_, n) => keyed(`rest-${n % 8}`)))
    expect(accepted(rest)).toBe(3 * (QUOTA - 5))
    const keys = Array.from({ length: 8 }, (_, n) => `rest-${n}`)
    await allow(13)
    expect(accepted(await Promise.all(keys.map(keyed)))).toBe(8)
  })

  if (target.name === 'MariaDB') {
    it('are exactly as many on two gateways', async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-second-'))
      const gateway = createGateway({ ...test.config, dataDir }, { log: silentLog(), clock: () => now })
      await gateway.start()
      const urls = [test.gateway.localUrl(), gateway.localUrl()]
      const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => send(urls[n % 2])))
      expect(accepted(answers)).toBe(QUOTA)
      expect(answers.filter((status) => status === 429)).toHaveLength(50 - QUOTA)
      expect(await told()).toHaveLength(2)
      await gateway.stop()
      await rm(dataDir, { recursive: true })
    })
  }
})
