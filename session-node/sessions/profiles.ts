import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { SessionId } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'

/** The directories of sessions. What is discarded is moved aside at once and deleted in the background. */
export class Profiles implements Service {
  private readonly root: string
  private readonly trash: string
  private deleting: Promise<void> = Promise.resolve()

  constructor(
    dataDir: string,
    private readonly log: Logger,
  ) {
    this.root = join(dataDir, 'profiles')
    this.trash = join(dataDir, 'trash')
  }

  async start(): Promise<void> {
    await mkdir(this.root, { recursive: true, mode: 0o700 })
    await mkdir(this.trash, { recursive: true, mode: 0o700 })
    for (const name of await readdir(this.trash)) this.delete(join(this.trash, name))
  }

  stop(): Promise<void> {
    return this.deleting
  }

  directoryOf(id: SessionId): string {
    return join(this.root, id)
  }

  /** Only when nothing runs in it any more. */
  async discard(id: SessionId): Promise<void> {
    const aside = join(this.trash, newId(id))
    try {
      await rename(this.directoryOf(id), aside)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return
      throw error
    }
    this.delete(aside)
  }

  private delete(path: string) {
    this.deleting = this.deleting
      .then(() => rm(path, { recursive: true, force: true, maxRetries: 4 }))
      .catch((err: unknown) => this.log.warn({ err, path }, 'profile.not_deleted'))
  }
}
