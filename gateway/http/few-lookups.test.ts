import { describe, expect, it } from 'vitest'
import { fewLookups, type Resolve } from './few-lookups.js'

describe('look-ups of names', () => {
  const asked: { hostname: string; done: Parameters<Resolve>[2] }[] = []
  const answer = (hostname: string, address: string) => {
    const at = asked.findIndex((each) => each.hostname === hostname)
    asked.splice(at, 1)[0]?.done(null, [{ address, family: 4 }])
  }
  let now = 0
  const lookup = fewLookups(
    (hostname, _, done) => void asked.push({ hostname, done }),
    2,
    () => now,
  )
  const look = (hostname: string) =>
    new Promise<string | undefined>((resolve, reject) =>
      lookup(hostname, { all: true }, (error, [first]) => (error ? reject(error) : resolve(first?.address))),
    )

  it('go on two at once, equal ones together, and a name that was known need not wait for one that hangs', async () => {
    const first = look('well.example')
    answer('well.example', '192.0.2.1')
    expect(await first).toBe('192.0.2.1')

    const hanging = [look('a.example'), look('b.example'), look('a.example')]
    const waiting = look('c.example')
    expect(asked.map(({ hostname }) => hostname)).toEqual(['a.example', 'b.example'])
    expect(await look('well.example')).toBe('192.0.2.1')

    answer('a.example', '192.0.2.2')
    expect(asked.map(({ hostname }) => hostname)).toEqual(['b.example', 'c.example'])
    answer('b.example', '192.0.2.3')
    answer('c.example', '192.0.2.4')
    expect(await Promise.all([...hanging, waiting])).toEqual(['192.0.2.2', '192.0.2.3', '192.0.2.2', '192.0.2.4'])

    // With room to ask, what is true now counts.
    const again = look('well.example')
    answer('well.example', '192.0.2.9')
    expect(await again).toBe('192.0.2.9')
  })

  it('leave room for others beside names that took long the last time, however many of these there are', async () => {
    const names = ['slow1.example', 'slow2.example']
    const first = names.map(look)
    now += 5_000
    for (const name of names) answer(name, '192.0.2.3')
    await Promise.all(first)
    const second = names.map(look)
    expect(asked.map(({ hostname }) => hostname)).toEqual(['slow1.example'])
    const quick = look('new.example')
    answer('new.example', '192.0.2.4')
    expect(await quick).toBe('192.0.2.4')
    // The one that waits has its turn, and what it meant lately serves it meanwhile.
    expect(await second[1]).toBe('192.0.2.3')
    now += 1
    answer('slow1.example', '192.0.2.5')
    expect(await second[0]).toBe('192.0.2.5')
    // It was quick this time.
    const third = look('slow1.example')
    answer('slow1.example', '192.0.2.6')
    expect(await third).toBe('192.0.2.6')
  })
})
