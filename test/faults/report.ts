/** Vitest's global set-up: at the end of the run, one line for each row with what was observed. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** The file to which rows append their line. */
    faultReport: string
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'switchboard-fault-report-'))
  const file = join(folder, 'rows')
  await writeFile(file, '')
  project.provide('faultReport', file)
  return async () => {
    const lines = (await readFile(file, 'utf8')).split('\n').filter((line) => line !== '')
    if (lines.length > 0) process.stdout.write(`\nFaults that were survived:\n${lines.sort().join('\n')}\n`)
    await rm(folder, { recursive: true, force: true })
  }
}
