import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONTACT, PHONE, startTestBot, type TestBot } from '../test/test-bot.js'
import { until } from '../test/until.js'
import type { SessionId } from '../proto/contract.js'

describe('the bot with several tenants', () => {
  let all: TestBot

  beforeAll(async () => {
    all = await startTestBot()
    await all.rest.post('/tenants', { name: 'acme', limits: { sessions: 1 } })
    await all.startBot()
  })
  afterAll(() => all.stop())

  it('makes, shows, sends from and deletes sessions of another tenant, and sends nothing for a suspended one', async () => {
    const { operator, chat, rest } = all
    const own = await all.connected('shop')
    const theirs = { 'X-Tenant': 'acme' }
    operator.says('/new nobody/shop sandbox')
    await chat.next('There is no tenant called nobody')
    operator.says('/new acme/shop sandbox')
    const begun = await chat.next('shop is being started')
    expect(begun.html).toMatch(/\/link\//)
    await chat.next('Scan to link shop')
    const { id } = (await rest.get<{ id: SessionId }>('/sessions/shop', theirs)).body
    expect(id).not.toBe(own)
    await all.drive(id, { pair: { phone: PHONE } })
    await chat.next('shop is linked as')
    operator.says('/new acme/second sandbox')
    await chat.next('may have 1 sessions')

    operator.says('/sessions')
    expect((await chat.next('acme/shop')).buttons.map(({ text }) => text)).toEqual(
      expect.arrayContaining(['shop', 'acme/shop']),
    )
    operator.says(`/send shop +${CONTACT} from which?`)
    const asked = await chat.next('several sessions called shop')
    expect(asked.buttons.map(({ text }) => text).toSorted()).toEqual(['acme/shop', 'shop'])
    operator.says(`/send acme/shop +${CONTACT} hello`)
    await until('it is stored as theirs', async () => {
      const { body } = await rest.get('/messages?direction=out', theirs)
      return body.data.length === 1 && body.data[0].origin === 'telegram'
    })

    await rest.post('/tenants/acme/suspend')
    operator.says(`/send acme/shop +${CONTACT} nothing`)
    await chat.next('The tenant acme is suspended')
    operator.says(`/send default/shop +${CONTACT} mine`)
    await until('its own is sent', async () => (await rest.get('/messages?direction=out')).body.data.length === 1)

    operator.says('/delete acme/shop')
    await operator.taps('Delete')
    await chat.next('shop is deleted')
    expect((await rest.get('/sessions/shop', theirs)).status).toBe(404)
    expect((await rest.get('/sessions/shop')).status).toBe(200)
  })
})
