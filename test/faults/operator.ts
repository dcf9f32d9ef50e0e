import { sleep } from '../../runtime/clock.js'
import type { Rig } from './rig.js'

/** Until everything is sent, with somebody who decides what is held; answers with how many messages that were. */
export async function settledByOperator(rig: Rig, timeoutMs: number): Promise<number> {
  const settling = new AbortController()
  const deciding = decideHeld(rig, settling.signal)
  await rig.settled(timeoutMs).finally(() => settling.abort())
  return deciding
}

/** What was at stake three times asks for a person, who has it looked for and sent once more. */
async function decideHeld(rig: Rig, signal: AbortSignal): Promise<number> {
  const decided = new Set<string>()
  while (!signal.aborted) {
    const { body } = await rig.rest().get('/messages?status=unknown&limit=100')
    for (const { id, nextAction } of body.data as { id: string; nextAction?: string }[]) {
      if (nextAction !== 'decide' || decided.has(id)) continue
      const { status } = await rig.rest().post(`/messages/${id}/resend`, {})
      if (status === 200) decided.add(id)
    }
    await sleep(1_000, signal)
  }
  return decided.size
}
