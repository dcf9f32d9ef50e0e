import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { startTestBot, type TestBot } from '../test/test-bot.js'

describe('the event log of a node that no gateway reads', () => {
  let all: TestBot
  beforeEach(async () => {
    all = await startTestBot({ node: { config: { eventLogMaxBytes: 30_000 } } })
  })
  afterEach(() => all.stop())

  it('is told to operators before its sessions are disconnected, once, and that they are, and when it is over', async () => {
    const id = await all.connected('shop')
    await all.startBot()
    all.operator.says('/start')
    await all.chat.next('This is Switchboard')
    await all.gateway.stop()
    const fullness = async () => (await all.node.client.call('GetNode', {})).eventLogBytes / 30_000
    while ((await fullness()) < 0.85) await all.receive(id, 'x'.repeat(1_000))
    await all.chat.next(/The event log of .* is \d+ % full/)
    all.operator.says('/nodes')
    await all.chat.next('Its event log is nearly full')
    while ((await fullness()) < 1) await all.receive(id, 'x'.repeat(1_000))
    await all.chat.next('shop is disconnected. The event log of the node is full')
    await all.gateway.start()
    await all.chat.next('has room again')
    await all.chat.next('shop is back')
    expect(all.chat.messages().filter(({ text }) => text.includes('% full'))).toHaveLength(1)
  })
})
