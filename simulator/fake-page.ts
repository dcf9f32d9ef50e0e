import { once } from 'node:events'
import WebSocket from 'ws'
import type { Simulator } from './simulator.js'

type Frame = Record<string, unknown>

/** A page's end of the line without a page, for tests that need no browser. */
export async function createFakePage(simulator: Simulator) {
  const port = /:(\d+)$/.exec(simulator.chromiumArgs()[0] ?? '')?.[1]
  const socket = new WebSocket(`wss://127.0.0.1:${port}/line`, { rejectUnauthorized: false })
  const answers = new Map<number, { resolve(value: Frame): void; reject(error: Error): void }>()
  const pushes: Frame[] = []
  const wake = new Set<() => void>()
  let next = 1

  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString()) as Frame & { re?: number; ok: Frame; error?: { message: string } }
    if (frame.re === undefined) pushes.push(frame)
    else if (frame.error) answers.get(frame.re)?.reject(new Error(frame.error.message))
    else answers.get(frame.re)?.resolve(frame.ok)
    for (const each of wake) each()
  })
  await once(socket, 'open')

  function ask(op: string, args: Frame): Promise<Frame> {
    const n = next++
    const answer = new Promise<Frame>((resolve, reject) => answers.set(n, { resolve, reject }))
    socket.send(JSON.stringify({ n, op, args }))
    return answer
  }

  /** The first frame of this name, past or to come. */
  async function heard(push: string): Promise<Frame> {
    for (;;) {
      const found = pushes.find((each) => each.push === push)
      if (found) return found
      await new Promise<void>((resolve) => wake.add(resolve))
    }
  }

  const { ref } = await ask('hello', { resumed: false, lineKey: 'fake' })
  return { ref: ref as string, ask, heard, close: () => socket.terminate() }
}

export type FakePage = Awaited<ReturnType<typeof createFakePage>>
