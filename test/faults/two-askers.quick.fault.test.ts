import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { sleep } from '../../runtime/clock.js'
import { full, row, storm } from './row.js'

const OPERATOR = 1001
// Telegram takes one message a second in a chat.
const ROUNDS = storm ? 200 : full ? 40 : 4

row(
  'F09',
  `the same new name is asked for through gateway and bot at once, with two nodes, ${ROUNDS} rounds`,
  async ({ rig: make }) => {
    const rig = await make({ nodes: 2, operator: OPERATOR })
    const { telegram } = rig
    if (!telegram) throw new Error('There is no Telegram')
    const operator = telegram.user(OPERATOR)
    const chat = telegram.chat(OPERATOR)
    const phone = '15550001111'
    rig.ledger.phones.add(phone)
    const profiles = async () => {
      const folders = ['node-1', 'node-2'].map((node) => join(rig.dataDir, node, 'profiles'))
      return (await Promise.all(folders.map((folder) => readdir(folder).catch(() => [])))).flat()
    }
    const won = { gateway: 0, bot: 0 }
    for (let round = 0; round < ROUNDS; round++) {
      const name = `n${round}`
      const wanted = { name, engine: 'sandbox', sandbox: { phone: `+${phone}`, autoPair: true } }
      // Who comes first is left to chance; the bot hears of it by a longer way.
      operator.says(`/new ${name} sandbox`)
      await sleep(Math.random() * 30)
      const answer = await rig.rest().post('/sessions', wanted)
      const said = await chat.next(new RegExp(`\\b${name} (is being started|exists already)`))
      const byBot = said.text.includes('is being started')
      expect([answer.status, byBot], name).toEqual(byBot ? [409, true] : [201, false])
      if (byBot) expect(answer.body.code).toBe('session_exists')
      won[byBot ? 'bot' : 'gateway'] += 1
      // No more than one of the nodes has made it a place.
      expect((await profiles()).length).toBeLessThan(2)
      expect((await rig.rest().delete(`/sessions/${name}`)).status).toBe(204)
    }
    const rows = await rig.database.rows<{ name: string; node_id: string }>('SELECT name, node_id FROM sessions')
    expect(rows.map(({ name }) => name).sort()).toEqual(Array.from({ length: ROUNDS }, (_, n) => `n${n}`).sort())
    expect(await profiles()).toEqual([])
    // Of so many.
    if (full) expect(Math.min(won.gateway, won.bot)).toBeGreaterThan(0)
    return `one session a round, on one node; the gateway was first ${won.gateway} times, the bot ${won.bot} times; the other was told that it exists`
  },
  { timeoutMs: 900_000 },
)
