import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contentToProto } from '../proto/mapping.js'
import { silentLog } from '../runtime/log.js'
import { startTestNode, type TestNode } from '../session-node/testing.js'
import { FakeTelegram } from '../test/fake-telegram.js'
import { createBot } from './bot.js'
import { readBotConfig } from './config.js'

const OPERATOR = 1001
const CONTACT = '4915222222222'

describe('the bot on a session node', () => {
  let telegram: FakeTelegram
  let node: TestNode
  let dataDir: string
  let bot: ReturnType<typeof createBot>

  const start = async (env: Record<string, string> = {}) => {
    const config = readBotConfig({
      TELEGRAM_BOT_TOKEN: telegram.token,
      TELEGRAM_OPERATORS: String(OPERATOR),
      TELEGRAM_API_ROOT: telegram.apiRoot,
      GATEWAY_URL: 'http://127.0.0.1:1',
      GATEWAY_API_KEY: 'key',
      NODES: node.node.address(),
      DATA_DIR: dataDir,
      ...env,
    })
    if (!config) throw new Error('There should be a bot')
    bot = createBot(config, {
      log: silentLog(),
      timing: {
        outbox: { burst: 100, chatMs: 1, groupMs: 1, perSecond: 1_000, retryMs: 5 },
        line: { firstRetryMs: 10, lastRetryMs: 50 },
        alerts: { graceMs: 50, gapMs: 100, checkMs: 20 },
        countdownMs: 200,
        relayRetryMs: 20,
      },
    })
    await bot.start()
  }
  const receive = (sessionId: string, body: string, more = {}) =>
    node.client.call('DriveSandbox', {
      sessionId,
      receive: {
        from: CONTACT,
        fromName: 'Ada <3',
        content: contentToProto({ type: 'text', text: { body } }),
        ...more,
      },
    })

  beforeEach(async () => {
    telegram = await new FakeTelegram().start()
    dataDir = await mkdtemp(join(tmpdir(), 'switchboard-bot-'))
    node = await startTestNode()
  })
  afterEach(async () => {
    await bot.stop()
    await node.stop()
    await telegram.stop()
    await rm(dataDir, { recursive: true, force: true })
  })

  it('sends a text and edits its answer as the message moves', async () => {
    const sessionId = await node.startSession({ name: 'shop' })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'connected')
    await start()
    const operator = telegram.user(OPERATOR)
    operator.says('/send shop +49 152 2222 2222 Hello <world> & all')
    const answer = await telegram.chat(OPERATOR).next('Delivered ✓✓')
    expect(answer.text).toContain('shop → +4915222222222')
    const queued = await node.event(({ body }) => body.kind === 'message_queued')
    expect(queued.sessionId).toBe(sessionId)
    expect(queued.body).toMatchObject({
      message: { origin: 'telegram', to: `${CONTACT}@c.us`, content: { text: { body: 'Hello <world> & all' } } },
    })
  })

  it('relays what comes in to a watching chat, and a reply as a quoted reply', async () => {
    const sessionId = await node.startSession({ name: 'shop' })
    await node.event(({ body }) => body.kind === 'session_status' && body.session.status === 'connected')
    await start()
    const operator = telegram.user(OPERATOR)
    operator.says('/watch shop')
    await telegram.chat(OPERATOR).next('appears here from now on')
    const { waMessageId } = await receive(sessionId, 'Is it <b>open</b>?')
    const relayed = await telegram.chat(OPERATOR).next('Is it <b>open</b>?')
    expect(relayed.text).toContain('Ada <3')
    operator.repliesTo(relayed, 'Yes, until six')
    const queued = await node.event(({ body }) => body.kind === 'message_queued')
    expect(queued.body).toMatchObject({
      message: { to: `${CONTACT}@c.us`, replyTo: waMessageId, content: { text: { body: 'Yes, until six' } } },
    })
    await telegram.chat(OPERATOR).next('Delivered ✓✓')
  })

  it('says nothing to anybody else', async () => {
    await start()
    telegram.user(666).says('/sessions')
    telegram.user(666).says('/sessions', { chat: -5 })
    telegram.user(OPERATOR).says('/help')
    await telegram.chat(OPERATOR).next('/sessions')
    expect(telegram.chat(666).messages()).toEqual([])
    expect(telegram.chat(-5).messages()).toEqual([])
  })
})
