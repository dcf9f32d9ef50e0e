import { expect, it } from 'vitest'
import type { SessionId } from '../../proto/contract.js'
import { sleep } from '../../runtime/clock.js'
import type { Delivery } from './delivery.js'
import { OrderedLine } from './line.js'

it('looks for other sessions behind a long backlog of one, and rests twenty times as long as that took', async () => {
  const delivery = (id: string, sessionId: string, place: number) =>
    ({ id: `dlv_${id}`, sessionId: sessionId as SessionId, place, dueAt: 0 }) as Delivery
  const looks: string[][] = []
  const line = new OrderedLine('whk_a', {
    due: () => Promise.resolve([]),
    async pending(_, __, except) {
      looks.push([...except])
      if (except.length === 0) return [delivery('a1', 'ses_a', 1)]
      await sleep(20)
      return [delivery('b1', 'ses_b', 9)]
    },
  })
  expect(await line.fill()).toMatchObject({ rows: [{ id: 'dlv_a1' }] })
  expect(line.next(1)?.id).toBe('dlv_a1')
  expect(await line.fill()).toMatchObject({ rows: [{ id: 'dlv_b1' }] })
  const { rows, restMs = 0 } = await line.fill()
  expect([rows.length, restMs > 200, restMs < 2_000]).toEqual([0, true, true])
  expect(looks).toEqual([[], ['ses_a']])
  // What has to be read for those that have nothing left is not put off.
  line.clear()
  expect(line.next(1)).toBeUndefined()
  line.back(delivery('a1', 'ses_a', 1))
  expect(await line.fill()).toMatchObject({ rows: [{ id: 'dlv_a1' }] })
})
