import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CONTACT, startTestBot, type TestBot } from '../test/test-bot.js'
import { until } from '../test/until.js'

describe('messages that wait for a person', () => {
  let all: TestBot
  let goingNowhere: number
  beforeEach(async () => {
    goingNowhere = 0
    all = await startTestBot({
      node: {
        outside: {
          makeClient: async (options, usual) => {
            const client = await usual(options)
            const send = client.send.bind(client)
            client.send = async (message) =>
              goingNowhere-- > 0 ? { outcome: 'unknown', reason: 'no_answer' } : send(message)
            return client
          },
        },
      },
    })
  })
  afterEach(() => all.stop())

  const HELD = 'It is not known whether the message went out.'
  const fromApi = async () => {
    goingNowhere = 1
    const message = { to: `+${CONTACT}`, type: 'text', text: { body: 'Hello' }, onUnknown: 'hold' }
    return String((await all.rest.post('/sessions/shop/messages', message)).body.id)
  }
  const reads = (id: string, status: string) =>
    until(`${id} is ${status}`, async () => (await all.rest.get(`/messages/${id}`)).body.status === status)

  it('have buttons below the answer when they were sent from Telegram, and are sent again when asked', async () => {
    await all.connected('shop')
    await all.startBot()
    goingNowhere = 3
    all.operator.says(`/send shop +${CONTACT} Hello`)
    const answer = await all.chat.next(HELD)
    await all.operator.taps('Send again')
    const delivered = await all.chat.next('Delivered ✓✓')
    expect(delivered.id).toBe(answer.id)
    // Its own answer is where operators are asked.
    expect(all.chat.messages().filter(({ text }) => text.includes('Look on the phone'))).toEqual([])
  })

  it('from elsewhere are asked about once, also when the bot was away, and are what the operator says', async () => {
    await all.connected('shop')
    await all.startBot()
    all.operator.says('/start')
    await all.chat.next('This is Switchboard')
    const first = await fromApi()
    await all.chat.next('Look on the phone')
    await all.operator.taps('It arrived')
    await all.chat.next('✔️ It arrived.')
    await reads(first, 'sent')

    await all.stopBot()
    const second = await fromApi()
    await reads(second, 'unknown')
    await all.startBot()
    await all.chat.next('Look on the phone')
    await all.operator.taps('It did not arrive')
    await all.chat.next('✔️ It did not arrive.')
    await reads(second, 'failed')
    await all.stopBot()
    await all.startBot()
    all.operator.says('/nodes')
    await all.chat.next('version')
    expect(all.chat.messages().filter(({ text }) => text.includes('Look on the phone'))).toEqual([])
  })
})
