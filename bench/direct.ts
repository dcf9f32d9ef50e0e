import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SimulatedWhatsapp } from './simulated-whatsapp.js'

export type DirectRequest = { id: number } & (
  | { op: 'link'; phone: string; directory: string; chromiumArgs: string[]; control: string }
  | { op: 'send'; phone: string; to: string; body: string }
  | { op: 'stop' }
)
type Unnumbered<Request> = Request extends { id: number } ? Omit<Request, 'id'> : never

export interface DirectReply {
  id: number
  ms: number
  error?: string
}

/** Clients of whatsapp-web.js without Switchboard, for comparison. */
export interface Direct {
  readonly pid: number
  /** Answers with the time from launch to ready, in ms. */
  link(phone: string): Promise<number>
  /** Answers with the time from the call to ack 1, in ms. */
  send(phone: string, to: string, body: string): Promise<number>
  stop(): Promise<void>
}

const script = fileURLToPath(new URL('direct-clients.ts', import.meta.url))
const TIMEOUT_MS = 120_000

export function startDirect({ chromiumArgs, whatsapp }: SimulatedWhatsapp, directory: string): Direct {
  const child: ChildProcess = spawn(process.execPath, ['--import', 'tsx', script], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const waiting = new Map<number, (reply: DirectReply) => void>()
  child.on('message', (reply: DirectReply) => waiting.get(reply.id)?.(reply))
  let last = 0

  async function ask(request: Unnumbered<DirectRequest>): Promise<number> {
    const id = ++last
    const reply = await new Promise<DirectReply>((resolve) => {
      const timer = setTimeout(() => resolve({ id, ms: 0, error: `no answer in ${TIMEOUT_MS} ms` }), TIMEOUT_MS)
      waiting.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer)
      })
      child.send({ id, ...request }, (error) => {
        if (error) waiting.get(id)?.({ id, ms: 0, error: error.message })
      })
    })
    waiting.delete(id)
    if (reply.error) throw new Error(`whatsapp-web.js, ${request.op}: ${reply.error}`)
    return reply.ms
  }

  if (child.pid === undefined) throw new Error('The process for direct clients did not start')
  return {
    pid: child.pid,
    link: (phone) => ask({ op: 'link', phone, directory, chromiumArgs, control: whatsapp.address }),
    send: (phone, to, body) => ask({ op: 'send', phone, to, body }),
    async stop() {
      await ask({ op: 'stop' }).catch((error: unknown) => console.error(String(error)))
      child.kill()
      await ended
    },
  }
}
