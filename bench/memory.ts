/** What a session costs in memory: Switchboard beside whatsapp-web.js with puppeteer's default flags. */
import { join } from 'node:path'
import { sleep } from '../runtime/clock.js'
import { startDirect } from './direct.js'
import type { BenchOptions } from './main.js'
import { availableMiB, descendantsPssMiB, pssMiB } from './process-memory.js'
import { type Figure, median } from './report.js'
import { type SimulatedWhatsapp, startSimulatedWhatsapp } from './simulated-whatsapp.js'
import { startSwitchboard } from './switchboard.js'

const counts = [1, 2, 4]
const MOST = 50
/** The machine keeps this much for itself. */
const RESERVE_MIB = 1_024
/** Pages free what they needed for starting a little later. */
const SETTLE_MS = 4_000

export async function benchMemory(options: BenchOptions): Promise<Figure[]> {
  const simulated = await startSimulatedWhatsapp({ allRegistered: true })
  try {
    const theirs = await measureDirect(simulated, options)
    return [...theirs.figures, ...(await measureOurs(simulated, options, theirs.further))]
  } finally {
    await simulated.stop()
  }
}

async function measureDirect(simulated: SimulatedWhatsapp, { directory, say }: BenchOptions) {
  const direct = startDirect(simulated, join(directory, 'direct'))
  const pss = new Map<number, number>()
  try {
    for (let count = 1; count <= Math.max(...counts); count += 1) {
      await direct.link(phone(100 + count))
      if (counts.includes(count)) pss.set(count, await browsersOf(direct.pid))
    }
    say(`memory: whatsapp-web.js alone: ${shown(pss)}`)
    return { figures: figuresOf('whatsapp-web.js, default flags', pss), further: further(pss) }
  } finally {
    await direct.stop()
  }
}

async function measureOurs(simulated: SimulatedWhatsapp, { quick, directory, say }: BenchOptions, theirs: number) {
  const switchboard = await startSwitchboard({
    directory,
    nodeSettings: { CHROMIUM_ARGS: simulated.chromiumArgsLine, NODE_CAPACITY: String(MOST) },
  })
  const pss = new Map<number, number>()
  const launches: number[] = []
  const most = quick ? 8 : MOST
  let count = 0
  try {
    while (count < most && availableMiB() > RESERVE_MIB) {
      count += 1
      const ms = await switchboard.link(`memory-${count}`, phone(200 + count), simulated.whatsapp)
      launches.push(ms)
      if (counts.includes(count) || count % 10 === 0 || count === most) {
        pss.set(count, await browsersOf(switchboard.nodePid))
        const { processes } = descendantsPssMiB(switchboard.nodePid)
        const mib = Math.round(pss.get(count) ?? 0)
        say(`memory: ${count} sessions, ${mib} MiB in ${processes} processes, the last in ${Math.round(ms)} ms`)
      }
    }
    pss.set(count, await browsersOf(switchboard.nodePid))
    const ours = further(new Map([...pss].filter(([each]) => counts.includes(each))))
    return [
      ...figuresOf('Switchboard', pss),
      {
        name: 'each further session / each further client',
        measured: ours / theirs,
        unit: '',
        aim: { most: 0.5 },
        note: `${ours.toFixed(0)} MiB beside ${theirs.toFixed(0)} MiB, from 1 to ${Math.max(...counts)}`,
      },
      { name: 'sessions at once', measured: count, unit: '', note: limitOf(count, most, quick) },
      {
        name: `each of ${count} sessions, in the mean`,
        measured: (pss.get(count) ?? 0) / count,
        unit: 'MiB PSS',
        note: `and ${Math.round(pssMiB(switchboard.nodePid))} MiB for the session node itself`,
      },
      {
        name: 'from POST /sessions to connected, median',
        measured: median(launches),
        unit: 'ms',
        note: `first ${Math.round(launches[0] ?? 0)} ms, last ${Math.round(launches.at(-1) ?? 0)} ms, slowest ${Math.round(Math.max(...launches))} ms`,
      },
    ]
  } finally {
    await switchboard.stop()
  }
}

function limitOf(count: number, most: number, quick: boolean): string {
  if (count < most) return `then less than ${RESERVE_MIB} MiB were left`
  return quick ? 'no more were tried (--quick)' : 'no more were tried'
}

async function browsersOf(pid: number): Promise<number> {
  await sleep(SETTLE_MS)
  return descendantsPssMiB(pid).pssMiB
}

function figuresOf(who: string, pss: Map<number, number>): Figure[] {
  return [...pss].map(([count, mib]) => ({
    name: `${who}: ${count} ${count === 1 ? 'session' : 'sessions'}`,
    measured: mib,
    unit: 'MiB PSS',
  }))
}

/** What each one costs after the first: the slope between the smallest and the largest count. */
function further(pss: Map<number, number>): number {
  const [first, last] = [Math.min(...pss.keys()), Math.max(...pss.keys())]
  return ((pss.get(last) ?? Number.NaN) - (pss.get(first) ?? Number.NaN)) / (last - first)
}

function shown(pss: Map<number, number>): string {
  return [...pss].map(([count, mib]) => `${count}: ${Math.round(mib)} MiB`).join(', ')
}

const phone = (index: number): string => `491510000${String(index).padStart(3, '0')}`
