import { readFileSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startTestNode } from '../session-node/testing.js'
import { databases, emptyDatabase } from './databases.js'
import { ANNA, text } from './messages.js'
import { type RunningProcess, startProcess } from './processes.js'
import { checkAnswer } from './api-contract.js'
import { createRest, type Rest } from './rest.js'
import { until } from './until.js'

const KEY = 'admin-key-for-tests-0123456789'

describe.each(databases())('asking again after kill -9 on $name', (target) => {
  it('finds the message that was stored before the gateway could answer', async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'switchboard-twice-'))
    const database = await emptyDatabase(target)
    const node = await startTestNode()
    const running: RunningProcess[] = []
    async function start(more: Record<string, string> = {}): Promise<{ gateway: RunningProcess; rest: Rest }> {
      const gateway = startProcess('gateway/main.ts', {
        ...{ DATA_DIR: dataDir, DATABASE_URL: database.url, SECRET_KEY: 's'.repeat(32), ADMIN_API_KEY: KEY },
        ...{ HOST: '127.0.0.1', PORT: '0', NODES: node.node.address(), ...more },
      })
      running.push(gateway)
      return { gateway, rest: createRest(String((await gateway.logged('http.listening')).url), KEY, checkAnswer) }
    }
    const send = (rest: Rest, body: string) =>
      rest.post('/sessions/shop/messages', text(body), { 'idempotency-key': `key-of-${body}` })
    try {
      // It stops itself on the line between the commit and the answer.
      const { gateway, rest } = await start({ FAULT_POINT: 'message.stored#3' })
      await rest.post('/sessions', { name: 'shop', engine: 'sandbox', sandbox: { autoPair: true, phone: ANNA } })
      await until(
        'the session is connected',
        async () => (await rest.get('/sessions/shop')).body.status === 'connected',
      )
      const answered = [await send(rest, 'one'), await send(rest, 'two')]
      const unanswered = send(rest, 'three').then(
        () => 'an answer',
        () => 'none',
      )
      await until('it has stopped itself', () => readFileSync(`/proc/${gateway.pid}/stat`, 'utf8').includes(') T '))
      await gateway.kill('SIGKILL')
      expect(await unanswered).toBe('none')

      const again = (await start()).rest
      const replayed = [await send(again, 'one'), await send(again, 'two'), await send(again, 'three')]
      expect(replayed.map(({ status, headers }) => [status, headers.get('idempotency-replayed')])).toEqual(
        replayed.map(() => [202, 'true']),
      )
      const ids = replayed.map(({ body }) => body.id as string)
      expect(ids.slice(0, 2)).toEqual(answered.map(({ body }) => body.id))
      for (const id of ids) {
        await until(`${id} is delivered`, async () => (await again.get(`/messages/${id}`)).body.status === 'delivered')
      }
      const { body } = await again.get('/messages')
      expect(body.data.map(({ id }: { id: string }) => id)).toEqual(ids.toReversed())
      const wire = await readFile(join(node.dataDir, 'sandbox', 'wire.log'), 'utf8')
      expect(wire.trim().split('\n')).toHaveLength(3)
    } finally {
      for (const process of running) if (!process.ended()) await process.kill()
      await node.stop()
      await database.remove()
      await rm(dataDir, { recursive: true, force: true })
    }
  })
})
