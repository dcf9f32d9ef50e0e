import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import { databases } from '../../test/databases.js'
import { ADMIN_KEY, type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { API, type Talk, talkThrough, text } from '../../test/messages.js'
import { createGateway, type Gateway } from '../gateway.js'

const QUOTA = 10
/** Ten minutes before a day ends. */
const NOW = Date.UTC(2026, 10, 23, 23, 50)

describe.each(databases())('messages per day on $name', (target) => {
  let test: TestGateway
  let talk: Talk
  let session: string
  let now: number
  let more: { gateway: Gateway; dataDir: string } | undefined

  beforeEach(async () => {
    now = NOW
    test = await startTestGateway({ target, outside: { clock: () => now } })
    talk = talkThrough(test)
    session = await talk.linked()
    await test.gateway.tenants.change('default', { limits: { messagesPerDay: QUOTA } })
  })
  afterEach(async () => {
    await more?.gateway.stop()
    if (more) await rm(more.dataDir, { recursive: true })
    more = undefined
    await test.stop()
  })

  const send = (url = test.gateway.localUrl(), headers: Record<string, string> = {}): Promise<Answer['status']> =>
    fetch(`${url}${API}/sessions/${session}/messages`, {
      method: 'POST',
      headers: { 'X-API-Key': ADMIN_KEY, 'Content-Type': 'application/json', ...headers },
      body: JSON.stringify(text('hi')),
    }).then(({ status }) => status)
  const told = async () => {
    const { body } = await test.ask('GET', `${API}/events?type=quota.warning,quota.reached`)
    return body.data.map(({ type, data }: { type: string; data: object }) => ({ type, ...data }))
  }
  const accepted = (answers: number[]) => answers.filter((status) => status === 202).length

  it('are exactly as many as the tenant may have, however many ask at once', async () => {
    const answers = await Promise.all(Array.from({ length: 50 }, () => send()))
    expect(accepted(answers)).toBe(QUOTA)
    expect(answers.filter((status) => status === 429)).toHaveLength(50 - QUOTA)
    expect((await test.ask('GET', `${API}/messages?limit=500`)).body.data).toHaveLength(QUOTA)
    const refused = await talk.send(session, text('more'))
    expect(refused).toMatchObject({
      status: 429,
      body: { code: 'quota_exceeded', resetsAt: '2026-11-24T00:00:00.000Z' },
    })
    expect(refused.headers.get('retry-after')).toBe('600')
    const limit = { quota: 'messagesPerDay', limit: QUOTA, used: QUOTA, resetsAt: '2026-11-24T00:00:00.000Z' }
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
      const types = (await told()).map(({ type, used }: { type: string; used: number }) => `${type} ${used}`)
      const due = [...(count >= 8 ? ['quota.warning 8'] : []), ...(count >= 10 ? ['quota.reached 10'] : [])]
      expect(types).toEqual(due)
    }
    await test.gateway.tenants.change('default', { limits: { messagesPerDay: QUOTA * 2 } })
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
    await test.gateway.tenants.change('default', { limits: { messagesPerDay: 13 } })
    expect(accepted(await Promise.all(keys.map(keyed)))).toBe(8)
  })

  if (target.name === 'MariaDB') {
    it('are exactly as many on two gateways', async () => {
      const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-second-'))
      const gateway = createGateway({ ...test.config, dataDir }, { log: silentLog(), clock: () => now })
      more = { gateway, dataDir }
      await gateway.start()
      const urls = [test.gateway.localUrl(), gateway.localUrl()]
      const answers = await Promise.all(Array.from({ length: 50 }, (_, n) => send(urls[n % 2])))
      expect(accepted(answers)).toBe(QUOTA)
      expect(answers.filter((status) => status === 429)).toHaveLength(50 - QUOTA)
      expect(await told()).toHaveLength(2)
    })
  }
})
