import { expect } from 'vitest'
import { createNodeClient } from '../../proto/node-client.js'
import { until } from '../until.js'
import { row } from './row.js'

const OPERATOR = 1001
const CONTACT = '4915222222222'

row('F42', 'the bot is killed between /send and its answer, and Telegram tells it again', async ({ rig: make }) => {
  const rig = await make({ operator: OPERATOR })
  const { telegram } = rig
  if (!telegram) throw new Error('There is no Telegram')
  const sessionId = await rig.sandboxSession('shop')
  rig.ledger.phones.add(CONTACT)
  const chat = telegram.chat(OPERATOR)
  const release = telegram.holds('sendMessage')
  telegram.user(OPERATOR).says(`/send shop +${CONTACT} ${rig.ledger.canary}`)
  const answering = await telegram.until(() => telegram.callsOf('sendMessage')[0], 20_000)
  await rig.kill('bot-1')
  await until('Telegram sees that nobody waits', () => answering.signal.aborted)
  release()
  await until('it is sent', async () => (await rig.wire()).length === 1)
  telegram.redelivers()
  const began = performance.now()
  await rig.launch('bot-1')
  await chat.next('Delivered ✓✓', 20_000)
  const editedMs = Math.round(performance.now() - began)
  expect(chat.messages()).toHaveLength(1)

  // Killed after the answer: what happened meanwhile is shown by the next run.
  await rig.kill('bot-1')
  const { body } = await rig.rest().get('/messages?direction=out')
  const [message] = body.data as { id: string; waMessageId: string; origin: string }[]
  expect(message?.origin).toBe('telegram')
  const node = createNodeClient(String((await rig.get('node-1').logged('node.started')).address), {
    token: rig.clusterToken,
    insecure: false,
  })
  const ack = { waMessageId: message?.waMessageId ?? '', status: 'MESSAGE_STATUS_READ' as const }
  await node.call('DriveSandbox', { sessionId, ack })
  node.close()
  await rig.launch('bot-1')
  await chat.next('Read ✓✓', 20_000)
  expect((await rig.database.outgoing()).length).toBe(1)
  expect((await rig.wire()).length).toBe(1)
  return `one message; its one answer was edited to its end ${editedMs} ms after the restart, and went on after another kill`
})
