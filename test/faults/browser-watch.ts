import { browsersOn } from '../processes.js'
import { parentOf } from './process-state.js'

const EVERY_MS = 250

/** Looks again and again whether two browsers own one profile. */
export class BrowserWatch {
  readonly doubles = new Set<string>()
  private timer: NodeJS.Timeout | undefined
  private suspects = new Set<string>()

  constructor(private readonly dataDir: string) {}

  start(): void {
    this.timer = setInterval(() => this.look(), EVERY_MS)
  }

  stop(): void {
    clearInterval(this.timer)
  }

  private look(): void {
    const mains = browsersOn(this.dataDir)
    const pids = new Set(mains.map(({ pid }) => pid))
    const owners = new Map<string, string[]>()
    for (const { pid, command } of mains) {
      // A child that was forked a moment ago still has its parent's command line.
      if (pids.has(parentOf(pid))) continue
      const profile = /--user-data-dir=(\S+)/.exec(command)?.[1] ?? ''
      owners.set(profile, [...(owners.get(profile) ?? []), `${pid} under ${parentOf(pid)}: ${command.slice(0, 120)}`])
    }
    const double = new Map([...owners].filter(([, mains]) => mains.length > 1))
    // Twice in a row: one that is just ending may be seen beside its successor's first breath only by the reader.
    for (const [profile, mains] of double) {
      if (this.suspects.has(profile)) this.doubles.add(`${profile}: ${mains.join(' and ')}`)
    }
    this.suspects = new Set(double.keys())
  }
}
