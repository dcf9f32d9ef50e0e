import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'
import { sleep } from './clock.js'
import { version } from './version.js'

export type { Counter, Gauge, Histogram } from 'prom-client'

/** Its help names the unit in words, its name ends in it. Labels take few values: never a phone number, never a text. */
export interface Numbered<Label extends string> {
  name: `switchboard_${string}`
  help: string
  labels?: readonly Label[]
}

/** One line of a gauge. */
export interface Reading {
  labels?: Readonly<Record<string, string>>
  value: number
}

/** How long a look may take. What cannot be told in time is left out, so that the rest is told. */
const LOOK_MS = 3_000

/**
 * The numbers that a process is watched by. Features count in what they get from here, or say where to look when
 * somebody asks; all of them are told together.
 */
export class Metrics {
  readonly contentType: string
  private readonly looks: (() => Promise<void>)[] = []
  private telling: Promise<string> | undefined

  constructor(private readonly registry = new Registry()) {
    this.contentType = registry.contentType
  }

  counter<Label extends string = never>({ name, help, labels = [] }: Numbered<Label>): Counter<Label> {
    return new Counter({ name, help, labelNames: labels, registers: [this.registry] })
  }

  histogram<Label extends string = never>(
    { name, help, labels = [] }: Numbered<Label>,
    buckets: number[],
  ): Histogram<Label> {
    return new Histogram({ name, help, labelNames: labels, buckets, registers: [this.registry] })
  }

  /** Gauges that are read when somebody asks. When the look fails, none of them is told. */
  gauges<Key extends string>(
    numbered: Record<Key, Numbered<string>>,
    look: () => Promise<Record<Key, Reading[]>> | Record<Key, Reading[]>,
  ): void {
    const gauges = Object.entries<Numbered<string>>(numbered).map(([key, { name, help, labels = [] }]) => {
      const gauge = new Gauge({ name, help, labelNames: labels, registers: [this.registry] })
      return { key: key as Key, gauge }
    })
    this.looks.push(async () => {
      const found = await inTime(look)
      for (const { key, gauge } of gauges) {
        gauge.reset()
        // Without labels, `reset` leaves a 0 behind.
        gauge.remove({})
        for (const { labels = {}, value } of found?.[key] ?? []) gauge.set({ ...labels }, value)
      }
    })
  }

  /** All of it in the text format of Prometheus. Who asks while it is being put together gets the same. */
  text(): Promise<string> {
    this.telling ??= this.tell().finally(() => (this.telling = undefined))
    return this.telling
  }

  private async tell(): Promise<string> {
    await Promise.all(this.looks.map((look) => look()))
    return this.registry.metrics()
  }
}

/** Those of a whole process, with what Node tells of itself: memory, processor, garbage collection, event loop. */
export function processMetrics(): Metrics {
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  // Sums of others beside them, under names that are kept for counters.
  for (const what of ['handles', 'requests', 'resources']) registry.removeSingleMetric(`nodejs_active_${what}_total`)
  const metrics = new Metrics(registry)
  const build = {
    name: 'switchboard_build_info',
    help: 'Always 1; the version is a label.',
    labels: ['version'],
  } as const
  metrics.gauges({ build }, () => ({ build: [{ labels: { version }, value: 1 }] }))
  return metrics
}

async function inTime<Found>(look: () => Promise<Found> | Found): Promise<Found | undefined> {
  const patience = new AbortController()
  const late = sleep(LOOK_MS, patience.signal).then(() => undefined)
  try {
    // What cannot be looked at now has a number of its own that says so, such as `switchboard_database_up`.
    return await Promise.race([(async () => look())().catch(() => undefined), late])
  } finally {
    patience.abort()
  }
}
