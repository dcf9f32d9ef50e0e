import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'

/** Runs Prometheus's own checker; throws with what it says unless it is content, without a single remark. */
export async function promtool(args: readonly string[], input = ''): Promise<string> {
  const child = spawn('promtool', args, { stdio: ['pipe', 'pipe', 'pipe'] })
  const ended = once(child, 'close') as Promise<[number | null]>
  child.stdin.end(input)
  const [[code], out, err] = await Promise.all([ended, text(child.stdout), text(child.stderr)])
  if (code !== 0) throw new Error(`promtool ${args.join(' ')} ended with ${code}:\n${out}${err}`)
  return out
}

/** Of a page of metrics. */
export const checkMetrics = (page: string) => promtool(['check', 'metrics'], page)
