/** Files on their way: written to DATA_DIR/media/incoming, whole and durable before they are kept or refused. */
import { lstat, mkdir, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { newId } from '../../runtime/ids.js'
import type { Service } from '../../runtime/lifecycle.js'
import { IncomingFile, type IncomingFileOptions, type WrittenFile } from './incoming-file.js'

export type ReceiveOptions = Omit<IncomingFileOptions, 'path'>

export class IncomingFiles implements Service {
  private readonly folder: string

  constructor(mediaFolder: string) {
    this.folder = join(mediaFolder, 'incoming')
  }

  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true, mode: 0o700 })
    // What is in it is deleted: a link would make that somebody else's files.
    if (!(await lstat(this.folder)).isDirectory()) throw new Error(`${this.folder} must be a folder, not a link`)
    // What a crash left half written belongs to nobody.
    for (const name of await readdir(this.folder)) await rm(join(this.folder, name), { force: true, recursive: true })
  }

  async stop(): Promise<void> {}

  /** A place to write to. */
  receive(options: ReceiveOptions): IncomingFile {
    return new IncomingFile({ ...options, path: join(this.folder, newId('med')) })
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

  async discard(written: WrittenFile): Promise<void> {
    await rm(written.path, { force: true })
  }
}
