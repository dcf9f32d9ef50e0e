/** Files in a folder of the gateway: DATA_DIR/media. Links are never followed. */
import { constants } from 'node:fs'
import { link, lstat, mkdir, open, readdir, rename, rm } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { isId } from '../../runtime/ids.js'
import type { MediaId } from '../messages/message.js'
import type { ByteRange } from './byte-range.js'
import type { WrittenFile } from './incoming-file.js'
import { gone, type KeptFile, type MediaStore, nameOf } from './media-store.js'

const CHUNK = 256 * 1024

export class LocalMediaStore implements MediaStore {
  constructor(private readonly folder: string) {}

  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
  }

  async stop(): Promise<void> {}

  async put(id: MediaId, written: WrittenFile): Promise<void> {
    const path = await this.placeFor(id)
    await rename(written.path, path)
    await syncFolder(dirname(path))
  }

  async read(id: MediaId, range?: ByteRange): Promise<Readable> {
    const file = await open(this.path(id), constants.O_RDONLY | constants.O_NOFOLLOW).catch(notThere)
    return file.createReadStream({ ...range, highWaterMark: CHUNK })
  }

  async copy(from: MediaId, to: MediaId): Promise<void> {
    const path = await this.placeFor(to)
    // Left by a crash before its row said that it is here.
    await rm(path, { force: true })
    await link(this.path(from), path).catch(notThere)
    await syncFolder(dirname(path))
  }

  async remove(ids: readonly MediaId[]): Promise<void> {
    for (const id of ids) await rm(this.path(id), { force: true })
  }

  async *olderThan(before: number): AsyncGenerator<KeptFile> {
    for (const folder of await readdir(this.folder, { withFileTypes: true })) {
      if (!folder.isDirectory() || folder.name.length !== 2) continue
      for (const name of await readdir(join(this.folder, folder.name))) {
        if (!isId('med', name) || name.slice(-2) !== folder.name) continue
        const found = await lstat(this.path(name)).catch(() => null)
        if (found && Math.max(found.mtimeMs, found.ctimeMs) < before) yield { id: name, size: found.size }
      }
    }
  }

  private async placeFor(id: MediaId): Promise<string> {
    const path = this.path(id)
    const made = await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    if (made !== undefined) await syncFolder(this.folder)
    return path
  }

  private path(id: MediaId): string {
    return join(this.folder, nameOf(id))
  }
}

function notThere(error: Error & { code?: unknown }): never {
  // ELOOP: somebody put a link there.
  throw error.code === 'ENOENT' || error.code === 'ELOOP' ? gone(null, error) : error
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
