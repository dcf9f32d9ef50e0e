import { randomBytes } from 'node:crypto'
import { mkdir, readFile, readlink, rm, unlink, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { basename, isAbsolute, join, resolve } from 'node:path'
import type { Logger } from '../../../runtime/log.js'
import { endBrowserTree } from './process-tree.js'

/**
 * The browser's files of one session. That this node alone runs browsers on them is what the lock on its DATA_DIR
 * says: Chromium's own lock is judged in that light.
 */
export class Profile {
  readonly userDataDir: string
  readonly #linkedFile: string
  readonly #temporaryFile: string

  constructor(
    private readonly folder: string,
    private readonly log: Logger,
  ) {
    this.userDataDir = resolve(folder, 'chromium')
    this.#linkedFile = join(folder, 'linked.json')
    this.#temporaryFile = join(folder, 'temporary')
  }

  /** Before each launch: nothing else may run on this profile. Answers with the folder for temporary files. */
  async prepare(): Promise<string> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    await mkdir(this.userDataDir, { recursive: true, mode: 0o700 })
    const ended = await endBrowserTree(this.userDataDir)
    if (ended > 0) this.log.warn({ processes: ended }, 'browser.left_over_ended')
    await this.removeTemporaryDir()
    await this.#judgeLock()
    return this.#makeTemporaryDir()
  }

  /**
   * A browser that was killed leaves its socket among the temporary files, and what it was downloading. So each has a
   * folder of its own for them, whose name is written down before it is made. The path of a socket must be short, which
   * is why the folder is not in the profile.
   */
  async #makeTemporaryDir(): Promise<string> {
    const folder = join(tmpdir(), `sb-${randomBytes(6).toString('hex')}`)
    await writeFile(this.#temporaryFile, folder, { mode: 0o600 })
    await mkdir(folder, { mode: 0o700 })
    return folder
  }

  /** When no browser runs. */
  async removeTemporaryDir(): Promise<void> {
    const folder = await readFile(this.#temporaryFile, 'utf8').catch(() => '')
    if (isAbsolute(folder) && /^sb-[0-9a-f]{12}$/.test(basename(folder))) {
      await rm(folder, { recursive: true, force: true, maxRetries: 4 })
    }
    await rm(this.#temporaryFile, { force: true })
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
