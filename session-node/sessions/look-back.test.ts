import { afterEach, describe, expect, it } from 'vitest'
import { startTestNode, type TestNode } from '../testing.js'

describe('looking back', () => {
  let node: TestNode
  afterEach(() => node.stop())

  it('is owed until it was done, though something was heard live before, and the client died over it', async () => {
    let now = Date.parse('2026-01-01T00:00:00Z')
    let broken = true
    const asked: number[] = []
    node = await startTestNode({
      outside: {
        clock: () => now,
        async makeClient(options, usual) {
          const client = await usual(options)
          client.lookBack = async (since) => {
            asked.push(since)
            if (broken) throw new Error('The page is gone.')
          }
          return client
        },
      },
    })
    const sessionId = await node.startSession()
    const connected = async (times: number) => {
      let seen = 0
      await node.event(({ body }) => {
        if (body.kind === 'session_status' && body.session.status === 'connected') seen += 1
        return seen === times
      })
    }
    const hear = async (text: string) => {
      const receive = { from: '4915155555555', content: { text: { body: text }, content: 'text' as const } }
      await node.client.call('DriveSandbox', { sessionId, receive })
      await node.event(({ body }) => body.kind === 'message_received' && JSON.stringify(body).includes(text))
    }
    const again = async (times: number) => {
      now += 3_600_000
      const order = { sessionId, tenantId: 'ten_default', name: 'default', engine: 'sandbox', restart: true } as const
      await node.client.call('StartSession', order)
      await connected(times)
    }

    await connected(1)
    expect(asked).toEqual([])
    const lastHeard = now
    await hear('before')
    await again(2)
    await hear('live, before the look back was done')
    broken = false
    await again(3)
    const stillOwed = asked.length
    await hear('when nothing was owed')
    const heardThen = now
    await again(4)
    expect(asked.slice(0, stillOwed)).toEqual(Array(stillOwed).fill(lastHeard))
    expect(asked.length).toBe(stillOwed + 1)
    expect(asked.at(-1)).toBe(heardThen)
  })
})
