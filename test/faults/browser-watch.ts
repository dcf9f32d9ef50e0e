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
    const owners = new Map<string, number>()
    for (const { pid, command } of mains) {
      // A child that was forked a moment ago still has its parent's command line.
      if (pids.has(parentOf(pid))) continue
      const profile = /--user-data-dir=(\S+)/.exec(command)?.[1] ?? ''
      owners.set(profile, (owners.get(profile) ?? 0) + 1)
    }
    const double = new Set([...owners].filter(([, count]) => count > 1).map(([profile]) => profile))
    // Twice in a row: one that is just ending may be seen beside its successor's first breath only by the reader.
    for (const profile of double) if (this.suspects.has(profile)) this.doubles.add(profile)
    this.suspects = double
  }
}
