/**
 * How long until WhatsApp's server has acknowledged a message, in Switchboard (from the REST request to its answer that
 * says so) and in whatsapp-web.js called directly, with the same simulated line of 150 ms.
 */
import { join } from 'node:path'
import { startDirect } from './direct.js'
import type { BenchOptions } from './main.js'
import { type Figure, median, quantile } from './report.js'
import { startSimulatedWhatsapp } from './simulated-whatsapp.js'
import { startSwitchboard } from './switchboard.js'

const SERVER_ACK_MS = 150

export async function benchAck({ quick, directory, say }: BenchOptions): Promise<Figure[]> {
  const rounds = quick ? 15 : 50
  const simulated = await startSimulatedWhatsapp({ serverAckDelayMs: SERVER_ACK_MS, allRegistered: true })
  const direct = startDirect(simulated, join(directory, 'direct'))
  try {
    const switchboard = await startSwitchboard({
      directory,
      nodeSettings: { CHROMIUM_ARGS: simulated.chromiumArgsLine },
    })
    try {
      say('ack: linking')
      await direct.link('491510000001')
      await switchboard.link('ack', '491510000002', simulated.whatsapp)
      const viaLibrary = (body: string) => direct.send('491510000001', '491510000009', body)
      const viaRest = async (body: string) => {
        const began = performance.now()
        const message = { to: '+491510000009', type: 'text', text: { body } }
        const answer = await switchboard.rest.post('/sessions/ack/messages', message, { prefer: 'wait=20' })
        if (answer.status !== 200) throw new Error(`Not sent: ${answer.status} ${JSON.stringify(answer.body)}`)
        return performance.now() - began
      }
      // The first message to a chat also looks it up.
      await viaLibrary('first')
      await viaRest('first')
      say(`ack: ${rounds} messages on each side, in turns`)
      const [ours, theirs]: [number[], number[]] = [[], []]
      for (let round = 0; round < rounds; round += 1) {
        theirs.push(await viaLibrary(`library ${round}`))
        ours.push(await viaRest(`rest ${round}`))
      }
      const spread = (times: number[]) => `p95 ${Math.round(quantile(times, 0.95))} ms, n = ${times.length}`
      return [
        { name: 'whatsapp-web.js called directly, median', measured: median(theirs), unit: 'ms', note: spread(theirs) },
        { name: 'Switchboard, median', measured: median(ours), unit: 'ms', note: spread(ours) },
        {
          name: 'Switchboard / whatsapp-web.js',
          measured: median(ours) / median(theirs),
          unit: '',
          aim: { most: 1.15 },
          note: `request to ack 1, of which the simulated server takes ${SERVER_ACK_MS} ms`,
        },
      ]
    } finally {
      await switchboard.stop()
    }
  } finally {
    await direct.stop()
    await simulated.stop()
  }
}
