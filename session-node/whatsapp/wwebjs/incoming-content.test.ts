import { describe, expect, it } from 'vitest'
import { isMessage, plainContent, type RawMessage } from './incoming-content.js'

function raw(more: Partial<RawMessage>): RawMessage {
  return { id: { id: '3A01', fromMe: false, remote: '4915122222222@c.us' }, type: 'chat', t: 1_790_000_000, ...more }
}

describe('the content of a message', () => {
  it.each(['e2e_notification', 'gp2', 'ciphertext', 'revoked', 'protocol', 'call_log'])('is none for %s', (type) => {
    expect(isMessage(raw({ type }))).toBe(false)
  })

  it('is the words of an answer that was tapped', () => {
    const tapped = raw({ type: 'list_response', body: 'the second' })
    expect(plainContent(tapped)).toEqual({ type: 'text', text: { body: 'the second' } })
  })

  it('is a place whose address has more than one line', () => {
    const place = plainContent(raw({ type: 'location', lat: 1, lng: 2, loc: 'Office\nMain St 1\nBerlin' }))
    const location = { latitude: 1, longitude: 2, name: 'Office', address: 'Main St 1\nBerlin' }
    expect(place).toEqual({ type: 'location', location })
  })

  it('is a contact with its numbers, as phones of every make write their cards', () => {
    const card = [
      'BEGIN:VCARD',
      'VERSION:3.0',
      'N:Müller;Ann\\, Dr.;;;',
      'FN:Ann Müller\\, Dr.',
      'item1.TEL;waid=4915133333333:+49 1513 3333333',
      'TEL;type=HOME:+49 (30) 123-',
      ' 456',
      'END:VCARD',
    ].join('\r\n')
    const content = plainContent(raw({ type: 'vcard', body: card }))
    expect(content).toEqual({
      type: 'contacts',
      contacts: [{ name: 'Ann Müller, Dr.', phones: ['+4915133333333', '+4930123456'], vcard: card }],
    })
  })

  it('is named when nobody here knows it', () => {
    const content = plainContent(raw({ type: 'order' }))
    expect(content).toEqual({ type: 'unsupported', unsupported: { waType: 'order' } })
  })
})
