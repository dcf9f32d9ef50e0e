import { beforeEach, describe, expect, it } from 'vitest'
import type { EventId } from '../../proto/contract.js'
import type { StoredEvent } from '../events/event.js'
import type { MediaId } from '../messages/message.js'
import { EventBodies, type Posted } from './event-bodies.js'

const MADE = Date.parse('2026-11-22T12:00:00Z')
const file: MediaId = 'med_a'
const picture = { id: 'evt_picture', data: { message: { content: { type: 'image', image: { id: file } } } } }
const text = { id: 'evt_text', data: { message: { content: { type: 'text', text: { body: 'hi' } } } } }
const owed = (id: string) => ({ eventId: id as EventId, createdAt: new Date(MADE) })

describe('what is posted for an event', () => {
  let now: number
  let pending: Map<MediaId, string | null>
  let loads: string[][]
  let bodies: EventBodies

  beforeEach(() => {
    now = MADE
    pending = new Map([[file, null]])
    loads = []
    bodies = new EventBodies({
      byIds: (ids) => {
        loads.push([...ids])
        const all = [picture, text] as unknown as StoredEvent[]
        return Promise.resolve(all.filter(({ id }) => ids.includes(id)))
      },
      present: (events) => Promise.resolve(events.map(({ id }) => ({ id, pending: pending.has(file) }))),
      pendingMedia: () => Promise.resolve(pending),
      clock: () => now,
    })
  })

  const posted = async (id: string) => String(((await bodies.one(owed(id))) as Posted).bytes)

  it('waits for the file of its message, a minute at most', async () => {
    expect(await bodies.one(owed('evt_picture'))).toBe('waiting')
    pending.set(file, 'media_quota_exceeded')
    expect(await posted('evt_picture')).toBe('{"id":"evt_picture","pending":true}')
    pending.set(file, null)
    now += 60_000
    expect(await posted('evt_text')).toContain('evt_text')
  })

  it('is posted without the file when that does not come', async () => {
    now += 60_000
    expect(await posted('evt_picture')).toBe('{"id":"evt_picture","pending":true}')
  })

  it('is put together once for all who get it, and is gone with its event', async () => {
    await bodies.prepare([owed('evt_text'), owed('evt_text'), owed('evt_lost')])
    const [one, other] = [await bodies.one(owed('evt_text')), await bodies.one(owed('evt_text'))]
    expect(one).toBe(other)
    expect(loads).toEqual([['evt_text', 'evt_lost']])
    expect(await bodies.one(owed('evt_lost'))).toBe('gone')
  })
})
