import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SessionId } from '../proto/contract.js'
import { startTestNode } from '../session-node/testing.js'
import { until } from '../test/until.js'
import { CONTACT, hurry, OPERATOR, startTestBot, type TestBot } from '../test/test-bot.js'

const STRANGER = 666
const GROUP = -100_5
const HOUR = 3_600_000

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

describe('the bot, when things go wrong', () => {
  let all: TestBot

  beforeEach(async () => {
    all = await startTestBot()
  })
  afterEach(async () => {
    await all.stop()
  })

  const queuedCount = async () => (await all.node.events()).filter(({ body }) => body.kind === 'message_queued').length
  const startsOf = async (id: SessionId) =>
    (await all.node.events()).filter(
      ({ sessionId, body }) => sessionId === id && body.kind === 'session_status' && body.session.status === 'starting',
    ).length

  it('is silent to everybody but its operators, in whatever chat', async () => {
    const id = await all.connected('shop')
    const starts = await startsOf(id)
    await all.startBot()
    const { telegram, operator } = all
    operator.says('/status shop', { chat: GROUP })
    await telegram.chat(GROUP).next('shop connected')
    const said = telegram.callsOf('sendMessage').length
    const stranger = telegram.user(STRANGER)
    stranger.says('/stop shop')
    stranger.says('/stop shop', { chat: GROUP })
    stranger.says(`/send shop +${CONTACT} Hello`, { chat: GROUP })
    // As an anonymous admin of the group, whose id is Telegram's.
    const hidden = { sender_chat: { id: GROUP, type: 'supergroup' } }
    telegram.user(1_087_968_824).says('/stop shop', { chat: GROUP, extra: hidden })
    operator.says('/stop shop', { chat: GROUP, extra: hidden })
    await stranger.taps('Stop', { chat: GROUP })
    // What comes after all that is the first to be answered.
    operator.says('/nodes')
    await all.chat.next('sessions')
    expect(telegram.callsOf('sendMessage').length).toBe(said + 1)
    expect(telegram.tapAnswers()).toEqual([])
    expect(await startsOf(id)).toBe(starts)
    expect(await queuedCount()).toBe(0)
  })

  it('does what an update asks for once, however often it arrives', async () => {
    await all.connected('shop')
    await all.startBot()
    all.operator.says(`/send shop +${CONTACT} Once`)
    all.telegram.redelivers()
    await all.chat.next('Delivered ✓✓')
    all.telegram.redelivers()
    all.operator.says('/help')
    await all.chat.next('/sessions')
    expect(await queuedCount()).toBe(1)
    expect(all.chat.messages()).toHaveLength(2)
  })

  it('ignores an hour-old /restart with a notice, and sends what was said an hour ago', async () => {
    const id = await all.connected('shop')
    const starts = await startsOf(id)
    await all.startBot()
    all.operator.says('/restart shop', { at: Date.now() - HOUR })
    await all.chat.next('Your /restart reached me late')
    all.operator.says(`/send shop +${CONTACT} Late`, { at: Date.now() - HOUR })
    await all.chat.next('Delivered ✓✓')
    expect(await startsOf(id)).toBe(starts)
  })

  it('ignores a tap that Telegram calls too old', async () => {
    const id = await all.connected('shop')
    const starts = await startsOf(id)
    await all.startBot()
    all.operator.says('/status shop')
    all.telegram.fails('answerCallbackQuery', 400)
    await all.operator.taps('Restart')
    await all.chat.next('Your tap reached me late')
    expect(await startsOf(id)).toBe(starts)
  })

  it('comes back when somebody else polled with its token', async () => {
    all.telegram.fails('getUpdates', 409, { times: 3 })
    await all.startBot()
    all.operator.says('/help')
    await all.chat.next('/sessions')
    const { apiRoot, token } = all.telegram
    await fetch(`${apiRoot}/bot${token}/getUpdates?`, { method: 'POST' })
    all.operator.says('/nodes')
    await all.chat.next('version')
  })

  it('starts while Telegram is away, and works once it is there', async () => {
    all.telegram.fails('*', 502, { times: 6 })
    await all.startBot()
    all.operator.says('/help')
    await all.chat.next('/sessions')
  })

  it('waits as long as Telegram asks for, and then says it', async () => {
    await all.startBot()
    all.telegram.fails('sendMessage', 429, { retryAfter: 1 })
    all.operator.says('/help')
    await all.chat.next('/sessions')
    const [first, second] = all.telegram.callsOf('sendMessage')
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990)
  })

  it('sends once what was tried again after the node was away', async () => {
    await all.connected('shop')
    await all.startBot()
    all.operator.says('/status shop')
    await all.chat.next('shop connected')
    const address = all.node.node.address()
    await all.node.stop({ keep: true })
    all.operator.says(`/send shop +${CONTACT} Hello`)
    const answer = await all.chat.next('Trying again cannot send it twice')
    all.node = await startTestNode({ dataDir: all.node.dataDir, config: { listen: address } })
    await all.node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'connected')
    all.operator.says('/nodes')
    await all.chat.next(/🟢 nod_/)
    await all.operator.taps('Try again')
    const done = await all.chat.next('Delivered ✓✓', 20_000)
    expect(done.id).toBe(answer.id)
    expect(await queuedCount()).toBe(1)
  }, 40_000)

  it('stops within its bound while Telegram hangs, and takes everything up again', async () => {
    const id = await all.connected('shop')
    await all.startBot()
    all.operator.says('/watch shop')
    await all.chat.next('appears here')
    const release = all.telegram.holds('sendMessage')
    const said = all.telegram.callsOf('sendMessage').length
    await all.receive(id, 'Relay me')
    all.operator.says(`/send shop +${CONTACT} Hello`)
    await all.drive(id, { disconnect: { forMs: 600_000 } })
    const hanging = await all.telegram.until(() => all.telegram.callsOf('sendMessage')[said])
    const began = performance.now()
    await all.stopBot()
    expect(performance.now() - began).toBeLessThan(10_000)
    await until('Telegram sees that nobody waits', () => hanging.signal.aborted)
    release()
    await all.startBot()
    await all.chat.next('Relay me')
    await all.chat.next('shop → +')
    await all.chat.next('🔴 shop is disconnected')
    expect(all.chat.messages().filter(({ text }) => text.includes('Relay me'))).toHaveLength(1)
    expect(await queuedCount()).toBe(1)
  })

  describe('as a webhook', () => {
    const secret = 'a-secret-of-the-webhook'
    let url: string

    beforeEach(async () => {
      const port = await freePort()
      url = `http://127.0.0.1:${port}/telegram`
      const env = { TELEGRAM_WEBHOOK_URL: url, TELEGRAM_WEBHOOK_PORT: String(port), TELEGRAM_WEBHOOK_SECRET: secret }
      await all.startBot({ env, outside: { timing: hurry } })
      await all.telegram.until(() => all.telegram.webhook)
    })
    const post = (body: string, headers: Record<string, string> = {}) =>
      fetch(url, { method: 'POST', body, headers: { 'content-type': 'application/json', ...headers } })
    const withSecret = { 'x-telegram-bot-api-secret-token': secret }

    it('takes updates from Telegram, each once', async () => {
      all.operator.says('/help')
      all.telegram.redelivers()
      await all.chat.next('/sessions')
      await all.telegram.until(() => all.telegram.webhookAnswers[1])
      expect(all.telegram.webhookAnswers).toEqual([200, 200])
      expect(all.chat.messages()).toHaveLength(1)
    })

    it('answers 401 to a forged or missing secret and does nothing', async () => {
      const message = { message_id: 5, date: 1, chat: { id: OPERATOR, type: 'private' }, from: { id: OPERATOR } }
      const update = JSON.stringify({ update_id: 900, message: { ...message, text: '/help' } })
      expect((await post(update)).status).toBe(401)
      expect((await post(update, { 'x-telegram-bot-api-secret-token': `${secret}x` })).status).toBe(401)
      expect(all.telegram.callsOf('sendMessage')).toEqual([])
    })

    it('answers 413 to a body of 10 MB, 400 to what is no update, and 404 elsewhere', async () => {
      expect((await post('x'.repeat(10 * 2 ** 20), withSecret)).status).toBe(413)
      expect((await post('no json', withSecret)).status).toBe(400)
      expect((await post('null', withSecret)).status).toBe(400)
      expect((await fetch(`${url}/other`, { method: 'POST', headers: withSecret })).status).toBe(404)
      expect((await fetch(url, { headers: withSecret })).status).toBe(405)
    })
  })
})
