/** The gateway's files: DATA_DIR/media, under names of ours. */
import { createReadStream } from 'node:fs'
import { link, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { isId, newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { MediaId } from '../messages/message.js'
import { IncomingFile, type IncomingFileOptions, type WrittenFile } from './incoming-file.js'

export type ReceiveOptions = Omit<IncomingFileOptions, 'path'>

export class MediaFiles implements Service {
  private readonly incoming: string

  constructor(private readonly folder: string) {
    this.incoming = join(folder, 'incoming')
  }

  async start(): Promise<void> {
    await mkdir(this.incoming, { recursive: true, mode: 0o700 })
    // What a crash left half written belongs to nobody.
    for (const name of await readdir(this.incoming)) await rm(join(this.incoming, name), { force: true })
  }

  async stop(): Promise<void> {}

  /** A place to write to; `keep` gives it its name. */
  receive(options: ReceiveOptions): IncomingFile {
    return new IncomingFile({ ...options, path: join(this.incoming, newId('med')) })
  }

  async receiveFrom(
    source: Readable | AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    options: ReceiveOptions,
  ): Promise<WrittenFile> {
    const file = this.receive(options)
    await pipeline(source, file)
    return file.written
  }

  /** What a node holds was checked by whoever sent it; its kind is the node's word. */
  receiveFromNode(source: AsyncIterable<Uint8Array>, { mimetype }: { mimetype: string }): Promise<WrittenFile> {
    return this.receiveFrom(source, { declared: mimetype, trusted: true })
  }

  /** Gives a written file its name for good, durably. */
  async keep(id: MediaId, written: WrittenFile): Promise<void> {
    const path = this.path(id)
    const folder = join(path, '..')
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await rename(written.path, path)
    await syncFolder(folder)
  }

  async discard(written: WrittenFile): Promise<void> {
    await rm(written.path, { force: true })
  }

  read(id: MediaId, range?: { start: number; end: number }): Readable {
    return createReadStream(this.path(id), { ...range, highWaterMark: 256 * 1024 })
  }

  /** A second name for the same bytes, so that each can go when it is its time. */
  async copy(from: MediaId, to: MediaId): Promise<void> {
    const path = this.path(to)
    await mkdir(join(path, '..'), { recursive: true, mode: 0o700 })
    await link(this.path(from), path)
    await syncFolder(join(path, '..'))
  }

  /** A file that is gone already is no error. */
  async remove(id: MediaId): Promise<void> {
    await rm(this.path(id), { force: true })
  }

  /** Those that were written before a time, in no order. */
  async *olderThan(before: number): AsyncGenerator<MediaId> {
    for (const folder of await readdir(this.folder, { withFileTypes: true })) {
      if (!folder.isDirectory() || folder.name.length !== 2) continue
      for (const name of await readdir(join(this.folder, folder.name))) {
        if (!isId('med', name)) continue
        const found = await stat(this.path(name)).catch(() => null)
        if (found && Math.max(found.mtimeMs, found.ctimeMs) < before) yield name
      }
    }
  }

  private path(id: MediaId): string {
    return join(this.folder, id.slice(-2), id)
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
