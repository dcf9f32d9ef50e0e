import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { browserTree, endBrowserTree, mainProcess, pssBytes } from './process-tree.js'

/** A process that looks like a browser: it names its profile, has a helper, and heeds SIGTERM or not. */
const browser = (heedsTerm: boolean) => `
  const helper = require('node:child_process').spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  if (!${heedsTerm}) process.on('SIGTERM', () => {})
  else process.on('SIGTERM', () => { helper.kill(); process.exit() })
  setInterval(() => {}, 1000)
  process.stdout.write('up')`

let userDataDir: string

beforeEach(async () => {
  userDataDir = await mkdtemp(join(tmpdir(), 'tree-'))
})
afterEach(async () => {
  await endBrowserTree(userDataDir, { termMs: 0 })
  await rm(userDataDir, { recursive: true })
})

async function start(heedsTerm = true, directory = userDataDir): Promise<ChildProcess> {
  const args = ['-e', browser(heedsTerm), '--', `--user-data-dir=${directory}`]
  const child = spawn(process.execPath, args, { detached: true, stdio: ['ignore', 'pipe', 'ignore'] })
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  return child
}

describe('the processes of a browser', () => {
  it('are the one that names the profile and its helpers, and no other', async () => {
    const child = await start()
    const other = await start(true, `${userDataDir}-2`)
    const tree = browserTree(userDataDir)
    expect(tree).toHaveLength(2)
    expect(tree).toContain(child.pid)
    expect(mainProcess(userDataDir)).toBe(child.pid)
    expect(await pssBytes(tree)).toBeGreaterThan(2 ** 20)
    expect(await endBrowserTree(userDataDir)).toBe(2)
    expect(browserTree(userDataDir)).toEqual([])
    expect(browserTree(`${userDataDir}-2`)).toContain(other.pid)
    await endBrowserTree(`${userDataDir}-2`)
  })

  it('are killed when they do not heed SIGTERM', async () => {
    await start(false)
    expect(await endBrowserTree(userDataDir, { termMs: 200 })).toBe(2)
    expect(browserTree(userDataDir)).toEqual([])
  })

  it('are found by their group after the main process was killed', async () => {
    const child = await start()
    const gone = once(child, 'exit')
    process.kill(child.pid ?? 0, 'SIGKILL')
    await gone
    expect(browserTree(userDataDir)).toEqual([])
    expect(browserTree(userDataDir, child.pid)).toHaveLength(1)
    await endBrowserTree(userDataDir, { group: child.pid })
    expect(browserTree(userDataDir, child.pid)).toEqual([])
  })
})
