import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { CONTACT, startTestBot, type TestBot } from '../test/test-bot.js'
import { until } from '../test/until.js'

describe('/usage', () => {
  let all: TestBot

  beforeAll(async () => {
    all = await startTestBot()
    await all.startBot()
  })
  afterAll(() => all.stop())

  it('tells of a session by day, and of a tenant or all by session', async () => {
    const { rest, operator, chat } = all
    const shop = await all.connected('shop')
    for (const body of ['one', 'two']) {
      await rest.post(`/sessions/${shop}/messages`, { to: `+${CONTACT}`, type: 'text', text: { body } })
    }
    await all.receive(shop, 'hello')
    await until('all is counted', async () => {
      const { messages } = (await rest.get('/usage')).body.data[0] ?? {}
      return messages?.sent === 2 && messages.received === 1
    })

    operator.says('/usage shop')
    const ofShop = await chat.next(/📊 shop, the 7 days to/)
    expect(ofShop.text).toContain('Sent 2, failed 0\nReceived 1, from the phone 0\nFiles: 0 B sent, 0 B received')
    expect(ofShop.text).toMatch(/day {5}sent failed {3}recv\n\d\d-\d\d {6}2 {6}0 {6}1/)

    operator.says('/usage 1')
    expect((await chat.next(/📊 All sessions, today/)).text).toMatch(/\nshop {9}2 {6}0 {6}1/)
    operator.says('/usage default 30')
    expect((await chat.next(/📊 default, the 30 days to/)).text).toContain('Sent 2, failed 0')
    operator.says('/usage default/shop')
    await chat.next(/📊 shop, the 7 days/)
    operator.says('/usage nobody')
    await chat.next('There is no such session')
    operator.says('/usage shop 400')
    await chat.next('Usage: /usage [session|tenant] [days], with 1 to 90 days')
  })
})
