import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inject, it } from 'vitest'
import { checkInvariants } from './invariants.js'
import { Rig, type RigOptions } from './rig.js'

/** `npm run test:faults`: all rows at their full length. Otherwise the quick ones, shortened. */
export const full = process.env['FAULTS'] !== undefined
export const storm = process.env['FAULTS'] === 'storm'

/** The folder that the logs of each row are kept in, for looking at a row that failed. */
const keptLogs = process.env['FAULT_LOGS']

export interface Row {
  /** A Switchboard for this row; its invariants are checked when the row is through. */
  rig(options?: RigOptions): Promise<Rig>
  /** Checks the invariants of a rig now, and ends it: for rows that use one after the other. */
  finish(rig: Rig): Promise<void>
  /** Undone at the end of the row, also when it failed; last first. */
  afterwards(undo: () => Promise<unknown>): void
}

/** A row that has no short form. */
export const longRow: typeof row = (...of) => {
  if (full) row(...of)
}

/** One row of the fault table: breaks something, and answers with what was observed. */
export function row(
  id: string,
  title: string,
  run: (row: Row) => Promise<string>,
  { timeoutMs = 180_000 }: { timeoutMs?: number } = {},
): void {
  it(
    `${id}: ${title}`,
    async () => {
      const began = performance.now()
      const rigs: Rig[] = []
      const undo: (() => Promise<unknown>)[] = []
      try {
        const observed = await run({
          async rig(options) {
            const rig = await Rig.start(options)
            rigs.push(rig)
            return rig
          },
          async finish(rig) {
            await checkInvariants(rig)
            await rig.destroy()
            rigs.splice(rigs.indexOf(rig), 1)
          },
          afterwards: (work) => void undo.push(work),
        })
        for (const rig of rigs) await checkInvariants(rig)
        const seconds = ((performance.now() - began) / 1_000).toFixed(1)
        appendFileSync(inject('faultReport'), `${id.padEnd(5)} ${title}: ${observed} (${seconds} s)\n`)
      } finally {
        if (keptLogs) for (const rig of rigs) writeFileSync(join(keptLogs, `${id}-${Date.now()}.log`), rig.output())
        for (const rig of rigs) await rig.destroy()
        for (const work of undo.reverse()) await work()
      }
    },
    timeoutMs,
  )
}
