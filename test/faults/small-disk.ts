/** A disk of 16 MiB that can be full. */
import { execFileSync } from 'node:child_process'
import { closeSync, openSync, statfsSync, writeSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'

const SIZE = '16m'

export class SmallDisk {
  private readonly filler: string

  private constructor(readonly folder: string) {
    this.filler = join(folder, 'filler')
  }

  /** Throws a sentence that says what is needed when this machine does not let us mount one. */
  static async mount(folder: string): Promise<SmallDisk> {
    await mkdir(folder, { recursive: true })
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE},mode=0700`, 'tmpfs', folder], { stdio: 'pipe' })
    } catch (cause) {
      throw new Error('A disk can be filled up only where a tmpfs may be mounted: run this row as root, with mount', {
        cause,
      })
    }
    return new SmallDisk(folder)
  }

  /** Until not one more byte fits. */
  fill(): void {
    const file = openSync(this.filler, 'a')
    try {
      for (const size of [2 ** 20, 4_096, 1]) {
        const piece = Buffer.alloc(size)
        while (fits(() => writeSync(file, piece) === size)) continue
      }
    } finally {
      closeSync(file)
    }
  }

  freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.folder)
    return bavail * bsize
  }

  async free(): Promise<void> {
    await rm(this.filler, { force: true })
  }

  unmount(): void {
    execFileSync('umount', [this.folder], { stdio: 'pipe' })
  }
}

function fits(write: () => boolean): boolean {
  try {
    return write()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOSPC') return false
    throw error
  }
}
