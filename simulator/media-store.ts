import { sha256 } from './ids.js'

/** Bytes of media by hash. A path is what messages carry; it ends in the hash. */
export class MediaStore {
  #bytes = new Map<string, Buffer>()

  put(bytes: Buffer): string {
    const hash = sha256(bytes)
    this.#bytes.set(hash, bytes)
    return hash
  }

  find(hash: string): Buffer | undefined {
    return this.#bytes.get(hash)
  }

  get(hash: string): Buffer {
    const bytes = this.#bytes.get(hash)
    if (!bytes) throw new Error(`No media with hash ${hash}`)
    return bytes
  }

  /** As if it had expired on WhatsApp's servers. */
  remove(hash: string): void {
    this.#bytes.delete(hash)
  }
}

export function pathOf(hash: string): string {
  return `/v/${hash}`
}

export function hashIn(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1)
}
