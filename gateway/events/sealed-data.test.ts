import bunyan from 'bunyan'
import { describe, expect, it } from 'vitest'
import { newId } from '../../runtime/ids.js'
import { SealedData } from './sealed-data.js'

describe('what people wrote, in a stored event', () => {
  const edited = { id: newId('evt'), type: 'message.edited', data: { chatId: '49151@c.us', body: 'CANARY' } } as const
  const [right, wrong] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)]

  it('is not to be read without the key, and not under another event', () => {
    const sealing = new SealedData(() => right)
    const data = sealing.seal(edited)
    expect(JSON.stringify(data)).not.toContain('CANARY')
    expect(data).toMatchObject({ chatId: '49151@c.us' })
    expect(sealing.open({ ...edited, data })).toEqual(edited.data)
    expect(sealing.open({ ...edited, id: newId('evt'), data })).toEqual({ chatId: '49151@c.us' })
  })

  it('is left out once the key is another one, and that is told once', () => {
    const data = new SealedData(() => right).seal(edited)
    const lines: string[] = []
    const stream = { write: (line: string) => lines.push(line) } as unknown as NodeJS.WritableStream
    const log = bunyan.createLogger({ name: 'test', stream })
    const later = new SealedData(() => wrong, log)
    expect(later.open({ ...edited, data })).toEqual({ chatId: '49151@c.us' })
    expect(later.open({ ...edited, data })).toEqual({ chatId: '49151@c.us' })
    expect(lines.map((line) => (JSON.parse(line) as { msg: string }).msg)).toEqual(['event.not_opened'])
  })

  it('costs nothing where there is none', () => {
    const data = { status: 'sent', waMessageId: 'W1' }
    expect(new SealedData(() => right).seal({ id: newId('evt'), type: 'message.sent', data })).toBe(data)
  })
})
