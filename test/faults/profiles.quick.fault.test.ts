import { existsSync } from 'node:fs'
import { chmod, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { findChromium } from '../../session-node/whatsapp/wwebjs/chromium.js'
import { processesNaming } from '../processes.js'
import { until } from '../until.js'
import { browsers, everySentOnce, link, now, phoneOf, qrOf, WITH_WHATSAPP } from './real-sessions.js'
import type { Rig } from './rig.js'
import { full, row } from './row.js'

const ROUNDS = full ? 5 : 1
const FILES = 1_000
const ANNA = '4915100000001'

/** A Chromium with one more process, which writes to a thousand files of the profile again and again. */
const churning = (chromium: string) => `#!/bin/sh
for arg in "$@"; do case "$arg" in --user-data-dir=*) profile=\${arg#*=} ;; esac; done
mkdir -p "$profile/churn"
(
  exec 3<&- 4>&-
  while :; do
    n=0
    while [ $n -lt ${FILES} ]; do
      echo $n > "$profile/churn/$n" || exit
      n=$((n + 1))
    done
  done
) > /dev/null 2>&1 &
exec ${chromium} "$@"
`

row(
  'F33',
  `the phone logs out while ${FILES} files of the profile are being written, ${ROUNDS} times`,
  async ({ rig: make }) => {
    const wrapper = { path: '' }
    const rig = await make({
      ...WITH_WHATSAPP,
      env: () => ({ CHROMIUM_PATH: wrapper.path }),
      async prepare({ dataDir }) {
        wrapper.path = join(dataDir, 'chromium.sh')
        await writeFile(wrapper.path, churning(findChromium({ chromiumPath: process.env['CHROMIUM_PATH'] }) ?? ''))
        await chmod(wrapper.path, 0o755)
      },
    })
    const id = await link(rig, 'shop', ANNA)
    const anna = await phoneOf(rig, ANNA)
    const profile = join(rig.dataDir, 'node-1', 'profiles', id)
    const took: number[] = []
    let alive = 0
    for (let round = 0; round < ROUNDS; round++) {
      await rig.ledger.send(rig.rest(), 'shop')
      await everySentOnce(rig)
      const churn = join(profile, 'chromium', 'churn')
      await until('files are written', async () => (await readdir(churn)).length >= FILES, { everyMs: 20 })
      expect(processesNaming(`${profile}/`).some(({ command }) => command.startsWith('/bin/sh'))).toBe(true)
      const before = await now(rig)
      const began = performance.now()
      await anna.logout()
      await until('it is told', () => loggedOutAfter(rig, before), { timeoutMs: 15_000, everyMs: 20 })
      took.push(Math.round(performance.now() - began))
      // In one breath: the folder has just gone, so nothing that wrote to it may be there any more.
      await until('the folder is gone', () => !existsSync(profile), { everyMs: 1 })
      alive += processesNaming(`${profile}/`).length
      const trash = join(rig.dataDir, 'node-1', 'trash')
      await until('it is deleted', async () => (await readdir(trash)).length === 0)
      expect(existsSync(profile)).toBe(false)
      // Its next start is like the first.
      await rig.rest().post('/sessions/shop/start')
      await anna.scan(await qrOf(rig, 'shop'))
      await rig.sessionIs('shop', 'connected')
      expect(browsers(rig).length).toBeGreaterThan(0)
    }
    expect(alive).toBe(0)
    expect(rig.get('node-1').ended()).toBe(false)
    const unhandled = rig.lines().filter(({ msg }) => /unhandled|uncaught/.test(msg))
    expect(unhandled).toEqual([])
    return `logged_out after ${Math.min(...took)} to ${Math.max(...took)} ms; no process left when the folder went; a QR code at each next start; no unhandled rejection`
  },
  { timeoutMs: 60_000 + ROUNDS * 60_000 },
)

async function loggedOutAfter(rig: Rig, place: number): Promise<boolean> {
  const told = await rig.database.rows(
    `SELECT id FROM events WHERE type = 'session.logged_out' AND place > ${place} LIMIT 1`,
  )
  return told.length > 0
}
