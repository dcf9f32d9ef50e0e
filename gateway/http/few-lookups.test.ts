import { describe, expect, it } from 'vitest'
import { fewLookups, type Resolve } from './few-lookups.js'

describe('look-ups of names', () => {
  const asked: { hostname: string; done: Parameters<Resolve>[2] }[] = []
  const answer = (hostname: string, address: string) => {
    const at = asked.findIndex((each) => each.hostname === hostname)
    asked.splice(at, 1)[0]?.done(null, [{ address, family: 4 }])
  }
  const lookup = fewLookups((hostname, _, done) => void asked.push({ hostname, done }), 2)
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
})
