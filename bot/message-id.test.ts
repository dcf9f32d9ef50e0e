import { expect, it } from 'vitest'
import { isId } from '../runtime/ids.js'
import { messageIdOf } from './message-id.js'

it('names the message of a Telegram message by an id that looks like any other, and always the same', () => {
  const ids = [messageIdOf(1, 2, 3), messageIdOf(1, 2, 4), messageIdOf(1, -2, 3), messageIdOf(12, 2, 3)]
  for (const id of ids) expect(isId('msg', id)).toBe(true)
  expect(new Set(ids).size).toBe(4)
  expect(messageIdOf(1, 2, 3)).toBe(ids[0])
})
