import { describe, expect, it } from 'vitest'
import { LaunchGate } from './launch-gate.js'

describe('the launch gate', () => {
  const never = new AbortController().signal

  it('lets two through at once, and the next when one has left', async () => {
    const gate = new LaunchGate(2, 0)
    const [first, second] = [await gate.enter(never), await gate.enter(never)]
    let third = false
    const waiting = gate.enter(never).then((leave) => {
      third = true
      return leave
    })
    await Promise.resolve()
    expect([third, gate.isFree]).toEqual([false, false])
    first?.()
    first?.()
    ;(await waiting)?.()
    second?.()
    expect(third).toBe(true)
    const both = await Promise.all([gate.enter(never), gate.enter(never)])
    expect(gate.isFree).toBe(false)
    for (const leave of both) leave?.()
  })

  it('keeps a distance between two launches, unless nobody else launches', async () => {
    const gate = new LaunchGate(2, 50)
    const begun = performance.now()
    const leave = [await gate.enter(never), await gate.enter(never)]
    expect(performance.now() - begun).toBeGreaterThan(45)
    for (const each of leave) each?.()
    const alone = performance.now()
    ;(await gate.enter(never))?.()
    expect(performance.now() - alone).toBeLessThan(45)
  })

  it('gives up the place of one that is stopped while it waits', async () => {
    const gate = new LaunchGate(1, 10_000)
    const inside = await gate.enter(never)
    const stopped = new AbortController()
    const [inLine, inDistance] = [gate.enter(stopped.signal), new AbortController()]
    stopped.abort()
    expect(await inLine).toBeUndefined()
    inside?.()
    const waiting = gate.enter(inDistance.signal)
    inDistance.abort()
    expect(await waiting).toBeUndefined()
    expect(gate.isFree).toBe(true)
  })
})
