import { describe, expect, it } from 'vitest'
import { readBotConfig, readLoneBotConfig } from './config.js'

const TOKEN = '123456:ABC-DEF1234ghIkl-zyx57W2v1u123ew11'
const enough = { TELEGRAM_BOT_TOKEN: TOKEN, TELEGRAM_OPERATORS: '11, 22' }

describe('the settings of the bot', () => {
  it('want no bot without a token', () => {
    expect(readBotConfig({})).toBeNull()
    expect(readBotConfig({ TELEGRAM_BOT_TOKEN: '' })).toBeNull()
  })

  it('refuse a token without operators, in a sentence', () => {
    expect(() => readBotConfig({ TELEGRAM_BOT_TOKEN: TOKEN })).toThrow(/TELEGRAM_OPERATORS is not: without operators/)
    expect(() => readBotConfig({ ...enough, TELEGRAM_OPERATORS: '@ada' })).toThrow(/numeric Telegram user ids/)
  })

  it('show no secret', () => {
    const config = readBotConfig({
      ...enough,
      TELEGRAM_WEBHOOK_SECRET: 'a-secret-of-the-webhook',
      GATEWAY_API_KEY: 'key-1',
    })
    expect(config?.operators).toEqual([11, 22])
    expect(JSON.stringify(config?.shown)).not.toMatch(/ABC-DEF|a-secret|key-1/)
  })

  it('derive a secret of the webhook that says nothing of the token', () => {
    const webhook = readBotConfig({ ...enough, TELEGRAM_WEBHOOK_URL: 'https://bot.example.org/telegram' })?.webhook
    expect(webhook?.secret).toMatch(/^[0-9a-f]{64}$/)
    expect(webhook).toMatchObject({ host: '127.0.0.1', port: 8443 })
  })

  it('tell a bot that runs alone all that is missing', () => {
    expect(() => readLoneBotConfig(enough)).toThrow(/GATEWAY_URL, GATEWAY_API_KEY.*\n.*NODES/)
    expect(() => readLoneBotConfig({})).toThrow(/TELEGRAM_BOT_TOKEN/)
  })
})
