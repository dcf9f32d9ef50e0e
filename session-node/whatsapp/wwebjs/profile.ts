import { mkdir, readFile, readlink, rm, unlink, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname, isAbsolute, join, resolve } from 'node:path'
import type { Logger } from '../../../runtime/log.js'
import { endBrowserTree } from './process-tree.js'

/**
 * The browser's files of one session. That this node alone runs browsers on them is what the lock on its DATA_DIR
 * says: Chromium's own lock is judged in that light.
 */
export class Profile {
  readonly userDataDir: string
  readonly #linkedFile: string

  constructor(
    private readonly folder: string,
    private readonly log: Logger,
  ) {
    this.userDataDir = resolve(folder, 'chromium')
    this.#linkedFile = join(folder, 'linked.json')
  }

  /** Before each launch: nothing else may run on this profile. */
  async prepare(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    await mkdir(this.userDataDir, { recursive: true, mode: 0o700 })
    const ended = await endBrowserTree(this.userDataDir)
    if (ended > 0) this.log.warn({ processes: ended }, 'browser.left_over_ended')
    await this.#removeSocketFolder()
    await this.#judgeLock()
  }

  /** A browser that was killed leaves the folder of its socket among the temporary files, one for each time. */
  async #removeSocketFolder(): Promise<void> {
    const socket = await readlink(join(this.userDataDir, 'SingletonSocket')).catch(() => undefined)
    const folder = socket === undefined ? '' : dirname(socket)
    if (!isAbsolute(folder) || !/^(\.)?(org\.chromium|com\.google)\.Chrom/.test(basename(folder))) return
    await rm(folder, { recursive: true, force: true })
  }

  /**
   * A lock of this host needs nothing: whoever held it is proven dead by now, and Chromium heals it by itself. A lock of
   * another host name (a renamed container) would be believed for ever.
   */
  async #judgeLock(): Promise<void> {
    const lock = await readlink(join(this.userDataDir, 'SingletonLock')).catch(() => undefined)
    if (lock === undefined) return
    const host = lock.slice(0, lock.lastIndexOf('-'))
    if (host === hostname()) return
    for (const name of ['SingletonLock', 'SingletonCookie', 'SingletonSocket']) {
      await unlink(join(this.userDataDir, name)).catch((thrown: NodeJS.ErrnoException) => {
        if (thrown.code !== 'ENOENT') throw thrown
      })
    }
    this.log.warn({ lockHost: host, host: hostname() }, 'browser.foreign_lock_removed')
  }

  /** Whether a number was linked in this profile, so that a QR code means that it no longer is. */
  async wasLinked(): Promise<boolean> {
    return readFile(this.#linkedFile).then(
      () => true,
      () => false,
    )
  }

  async markLinked(at: number): Promise<void> {
    await writeFile(this.#linkedFile, JSON.stringify({ at }), { mode: 0o600 })
  }

  async markUnlinked(): Promise<void> {
    await rm(this.#linkedFile, { force: true })
  }
}
