import { Telegraf } from 'telegraf'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import { FakeTelegram } from '../../test/fake-telegram.js'
import { linkedImage } from '../qr/qr-images.js'
import { Bucket } from './bucket.js'
import { rich } from './html.js'
import { Outbox, type OutboxLimits, telegramLimits } from './outbox.js'
import { Talk } from './talk.js'
import { TelegramApi } from './telegram-api.js'

const CHAT = 7
const quick: OutboxLimits = { burst: 100, chatMs: 1, groupMs: 1, perSecond: 1_000, retryMs: 5 }

describe('Outbox', () => {
  let telegram: FakeTelegram
  let outbox: Outbox
  let talk: Talk

  const open = (limits: OutboxLimits) => {
    const telegraf = new Telegraf(telegram.token, { telegram: { apiRoot: telegram.apiRoot, webhookReply: false } })
    const api = new TelegramApi(telegraf)
    outbox = new Outbox(api, silentLog(), limits)
    talk = new Talk(outbox, api)
  }

  beforeEach(async () => {
    telegram = await new FakeTelegram().start()
    telegram.user(CHAT).says('hello')
    telegram.user(CHAT).says('hello', { chat: 8 })
    open(quick)
  })
  afterEach(async () => {
    await outbox.stop()
    await telegram.stop()
  })

  it('keeps the order of a chat, also over a rate limit and an outage', async () => {
    telegram.fails('sendMessage', 429, { retryAfter: 0 })
    telegram.fails('sendMessage', 502)
    await Promise.all(['one', 'two', 'three'].map((word) => talk.say(CHAT, rich`${word}`)))
    expect(
      telegram
        .chat(CHAT)
        .messages()
        .map(({ text }) => text),
    ).toEqual(['one', 'two', 'three'])
  })

  it('holds back only the chat that Telegram limits', async () => {
    telegram.fails('sendMessage', 429, { retryAfter: 1 })
    const limited = talk.say(CHAT, rich`limited`)
    await telegram.until(() => telegram.callsOf('sendMessage')[0])
    await talk.say(8, rich`free`)
    expect(telegram.chat(CHAT).messages()).toEqual([])
    await limited
  })

  it('sends of several edits of a message only the newest', async () => {
    const id = await talk.say(CHAT, rich`0`)
    const release = telegram.holds('sendMessage')
    const blocking = talk.say(CHAT, rich`another`)
    const edits = ['1', '2', '3'].map((text) => talk.edit(CHAT, id, rich`${text}`))
    release()
    await Promise.all([blocking, ...edits])
    expect(telegram.callsOf('editMessageText')).toHaveLength(1)
    expect(telegram.chat(CHAT).messages()[0]).toMatchObject({ text: '3', before: ['0'] })
  })

  it('takes it for done when a message says what it should say already', async () => {
    const id = await talk.say(CHAT, rich`same`)
    await talk.edit(CHAT, id, rich`same`)
  })

  it('gives up at once what Telegram refuses, and what it does not answer after five tries', async () => {
    await expect(talk.say(99, rich`who?`)).rejects.toMatchObject({ status: 400 })
    telegram.fails('sendMessage', 500, { times: 5 })
    await expect(talk.say(CHAT, rich`lost`)).rejects.toMatchObject({ status: 500 })
    expect(telegram.callsOf('sendMessage')).toHaveLength(6)
  })

  it('paces a chat', async () => {
    open({ ...quick, burst: 1, chatMs: 60 })
    await Promise.all(['one', 'two', 'three'].map((word) => talk.say(CHAT, rich`${word}`)))
    const times = telegram.callsOf('sendMessage').map(({ at }) => at)
    expect((times[2] ?? 0) - (times[0] ?? 0)).toBeGreaterThanOrEqual(100)
  })

  it('drops what is queued when it stops, within its bound', async () => {
    telegram.fails('sendMessage', 429, { retryAfter: 60 })
    const waiting = talk.say(CHAT, rich`later`)
    waiting.catch(() => undefined)
    await telegram.until(() => telegram.callsOf('sendMessage')[0])
    const began = performance.now()
    await outbox.stop()
    expect(performance.now() - began).toBeLessThan(4_000)
    await expect(waiting).rejects.toThrow('stopping')
  })

  it('replies and buttons arrive with photos as well', async () => {
    const buttons = [[{ text: 'Tap', data: 'tap:1' }]]
    await talk.photo(CHAT, linkedImage(), rich`${'<caption>'}`, { replyTo: 11, buttons })
    const [photo] = telegram.chat(CHAT).messages()
    expect(photo).toMatchObject({ replyTo: 11, buttons: [{ callback_data: 'tap:1' }], method: 'sendPhoto' })
  })
})

describe('Bucket', () => {
  it('lets a burst through, then one at a time', () => {
    let now = 0
    const bucket = new Bucket(telegramLimits.burst, telegramLimits.chatMs, () => now)
    expect([1, 2, 3, 4, 5].map(() => bucket.reserve())).toEqual([0, 0, 0, 1_000, 2_000])
    now = 10_000
    expect([1, 2, 3, 4].map(() => bucket.reserve())).toEqual([0, 0, 0, 1_000])
  })
})
