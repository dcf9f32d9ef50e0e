import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { TestNode } from '../../session-node/testing.js'
import { databases } from '../../test/databases.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { API, type Talk, talkThrough, text } from '../../test/messages.js'
import { until } from '../../test/until.js'

describe.each(databases())('handing over to a node on $name', (target) => {
  let test: TestGateway
  let talk: Talk

  beforeEach(async () => {
    test = await startTestGateway({ target })
    talk = talkThrough(test)
  })
  afterEach(() => test.stop())

  it('serves many sessions at once, each in order, also one that its node has forgotten', async () => {
    const node = test.nodes[0] as TestNode
    const sessions: string[] = []
    for (let count = 0; count < 5; count++) sessions.push(await talk.linked())
    const forgotten = sessions[2] as string
    const { body } = await test.ask('GET', `${API}/sessions/${forgotten}`)
    await node.client.call('DeleteSession', { sessionId: body.id })

    const sent = new Map<string, string[]>(sessions.map((session) => [session, []]))
    for (let round = 0; round < 6; round++) {
      const answers = await Promise.all(
        sessions.map(async (session) => ({ session, answer: await talk.send(session, text(`round ${round}`)) })),
      )
      for (const { session, answer } of answers) {
        expect(answer.status).toBe(202)
        sent.get(session)?.push(answer.body.id)
      }
    }
    const list = async (session: string) => {
      const found = await test.ask('GET', `${API}/messages?session=${session}`)
      return found.body.data as { id: string; status: string; sentAt?: string }[]
    }
    for (const session of sessions) {
      const messages = await until(`${session} has sent everything`, async () => {
        const all = await list(session)
        return all.every(({ sentAt }) => sentAt !== undefined) && all
      })
      const inOrder = messages.toReversed()
      expect(inOrder.map(({ id }) => id)).toEqual(sent.get(session))
      const times = inOrder.map(({ sentAt }) => sentAt as string)
      expect(times).toEqual(times.toSorted())
    }
  })
})
