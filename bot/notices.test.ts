import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestBot, type TestBot } from '../test/test-bot.js'
import { WebhookCatcher } from '../test/webhook-catcher.js'

describe('a webhook that goes wrong', () => {
  let all: TestBot
  let catcher: WebhookCatcher

  beforeEach(async () => {
    catcher = new WebhookCatcher()
    await catcher.start()
    all = await startTestBot({ gateway: { WEBHOOK_ALLOW_CIDRS: '127.0.0.0/8', DELIVERY_SCHEDULE: '0,1,1,1,1,1,1' } })
  })
  afterEach(async () => {
    await all.stop()
    await catcher.stop()
  })

  it('is told to operators once, also when it happened while the bot was away', async () => {
    catcher.reply = ({ path }) => (path === '/gone' ? 410 : 502)
    const make = (path: string, description: string) =>
      all.rest.post('/webhooks', { url: catcher.url(path), description, events: ['session.connected'] })
    await all.startBot()
    all.operator.says('/start')
    await all.chat.next('This is Switchboard')
    await make('/bad', 'orders')
    await all.connected('one')
    await all.chat.next(/The webhook orders \(127\.0\.0\.1:\d+\) does not take its events/)
    await all.stopBot()
    await make('/gone', 'calls')
    await all.connected('two')
    await all.startBot()
    await all.chat.next(/The webhook calls .* is disabled: it answered that it is gone/)
    expect(all.chat.messages().filter(({ text }) => text.includes('webhook orders'))).toHaveLength(1)
  })
})
