import { afterEach, expect, it, vi } from 'vitest'
import { silentLog } from '../../runtime/log.js'
import type { EventPresenter } from './event-presenter.js'
import type { EventRepository } from './event-repository.js'
import { EventTail } from './event-tail.js'
import type { StoredEvent } from './event.js'

afterEach(() => vi.useRealTimers())

it('shows an event to many readers at once, and anew to one that comes later: links to files are good for a while', async () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  let shown = 0
  const one = () => (++shown === 3 ? Promise.reject(new Error('The database is away')) : Promise.resolve({ shown }))
  const presenter = { one } as unknown as EventPresenter
  const tail = new EventTail({ repository: {} as EventRepository, presenter, log: silentLog() })
  const { json } = tail.tailed({} as StoredEvent)
  expect(await Promise.all([json(), json()])).toEqual(['{"shown":1}', '{"shown":1}'])
  vi.advanceTimersByTime(60_000)
  expect(await json()).toBe('{"shown":2}')
  vi.advanceTimersByTime(60_000)
  await expect(json()).rejects.toThrow('away')
  expect(await json()).toBe('{"shown":4}')
})
