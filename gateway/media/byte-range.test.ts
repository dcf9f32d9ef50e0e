import { describe, expect, it } from 'vitest'
import { rangeOf } from './byte-range.js'

const etag = '"abc"'

describe('the part of a file of 10 bytes that is asked for', () => {
  it.each([
    ['bytes=0-3', { start: 0, end: 3 }],
    ['bytes=4-', { start: 4, end: 9 }],
    ['bytes=4-400', { start: 4, end: 9 }],
    ['bytes=-3', { start: 7, end: 9 }],
    ['bytes=-30', { start: 0, end: 9 }],
    ['Bytes=9-9', { start: 9, end: 9 }],
    ['bytes=10-', 'unsatisfiable'],
    ['bytes=-0', 'unsatisfiable'],
    ['bytes=99999999999999999999-', 'unsatisfiable'],
    ['bytes=5-2', 'whole'],
    ['bytes=0-1,4-5', 'whole'],
    ['bytes=-', 'whole'],
    ['lines=0-3', 'whole'],
    ['bytes=a-b', 'whole'],
    ['', 'whole'],
  ])('%s is %j', (range, part) => {
    expect(rangeOf({ range, ifRange: '' }, { size: 10, etag })).toEqual(part)
  })

  it('is the whole when the caller has a part of another file', () => {
    expect(rangeOf({ range: 'bytes=0-3', ifRange: etag }, { size: 10, etag })).toEqual({ start: 0, end: 3 })
    for (const ifRange of ['"abd"', `W/${etag}`, 'Mon, 23 Nov 2026 02:00:00 GMT']) {
      expect(rangeOf({ range: 'bytes=0-3', ifRange }, { size: 10, etag })).toBe('whole')
    }
  })

  it('is never found in an empty file', () => {
    expect(rangeOf({ range: 'bytes=0-', ifRange: '' }, { size: 0, etag })).toBe('unsatisfiable')
    expect(rangeOf({ range: 'bytes=-1', ifRange: '' }, { size: 0, etag })).toBe('unsatisfiable')
  })
})
