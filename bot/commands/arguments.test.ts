import { describe, expect, it } from 'vitest'
import { parseCommand, parseSend } from './arguments.js'

const send = (text: string) => parseSend(text, '/send [name] <number> <text>')
const to = (chatId: string) => expect.objectContaining({ chatId })

describe('parseSend', () => {
  it('takes the first word for a session unless it looks like a number', () => {
    expect(send('shop +4915112345678 hi')).toEqual({ session: 'shop', recipient: to('4915112345678@c.us'), text: 'hi' })
    expect(send('+4915112345678 hi')).toEqual({ recipient: to('4915112345678@c.us'), text: 'hi' })
    expect(send('ten/shop 4915112345678 hi').session).toBe('ten/shop')
  })

  it('keeps the lines and blanks of the text', () => {
    expect(send('+4915112345678 one\n\n  two  three').text).toBe('one\n\n  two  three')
  })

  it('forgives blanks and dashes in a number, and leaves digits of the text alone', () => {
    expect(send('+49 151 1234 5678 42 is it')).toEqual({ recipient: to('4915112345678@c.us'), text: '42 is it' })
    expect(send('+4915112345678 42 is it')).toEqual({ recipient: to('4915112345678@c.us'), text: '42 is it' })
    expect(send('+49-151-1234-5678 hi')).toEqual({ recipient: to('4915112345678@c.us'), text: 'hi' })
    expect(send('shop +49 151 1234 5678')).toEqual({ session: 'shop', recipient: to('4915112345678@c.us'), text: '' })
  })

  it('takes chat ids as they are', () => {
    expect(send('123456789-123456@g.us hi all').recipient.chatId).toBe('123456789-123456@g.us')
  })

  it('refuses what is no number with a sentence, and tells the usage when there is nothing', () => {
    expect(() => send('shop 12 hi')).toThrow(/neither an international phone number/)
    expect(() => send('shop')).toThrow('Usage: /send')
    expect(() => send('')).toThrow('Usage: /send')
  })
})

describe('parseCommand', () => {
  const entities = (length: number) => [{ type: 'bot_command' as const, offset: 0, length }]

  it('reads commands to this bot and to no other', () => {
    expect(parseCommand('/status@My_Bot shop', entities(14), 'my_bot')).toEqual({ name: 'status', text: 'shop' })
    expect(parseCommand('/status@other shop', entities(13), 'my_bot')).toBeNull()
    expect(parseCommand('hello /status', undefined, 'my_bot')).toBeNull()
  })

  it('reads commands of captions that carry no entities', () => {
    expect(parseCommand('/send +49151 x', undefined, 'my_bot')).toEqual({ name: 'send', text: '+49151 x' })
  })
})
