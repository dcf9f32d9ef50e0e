import { describe, expect, it } from 'vitest'
import { rich, pieces } from './html.js'

describe('rich', () => {
  it('escapes every value, and leaves HTML within HTML alone', () => {
    expect(rich`<b>${'<i>&'}</b> ${rich`<u>${'>'}</u>`}`.text).toBe('<b>&lt;i&gt;&amp;</b> <u>&gt;</u>')
  })

  it('makes text well-formed', () => {
    expect(rich`${'\ud83d'}`.text).toBe('\ufffd')
  })
})

describe('pieces', () => {
  it('loses nothing, keeps to the size and cuts no character in two', () => {
    const text = `${'word '.repeat(50)}${'😀'.repeat(60)}`
    const parts = pieces(text, 99)
    expect(parts.join('')).toBe(text)
    for (const part of parts) {
      expect(part.length).toBeLessThanOrEqual(99)
      expect(part.isWellFormed()).toBe(true)
    }
  })
})
