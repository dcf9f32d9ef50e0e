import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import type { SessionId } from '../../proto/contract.js'
import type { Service } from '../../runtime/lifecycle.js'

/** One message that the sandbox's WhatsApp was given. */
export interface WireLine {
  waMessageId: string
  session: SessionId
  chat: string
  sha256: string
  at: number
}

interface Waiting {
  line: string
  resolve: () => void
  reject: (error: unknown) => void
}

/**
 * What the sandbox's WhatsApp saw: a file of its own, so that a crash of the node does not take it along. Lines that
 * come together share one fsync.
 */
export class WireLog implements Service {
  readonly path: string
  private file: FileHandle | undefined
  /** A write failed: half a line may stand at the end. */
  private torn = false
  private waiting: Waiting[] = []
  private writing: Promise<void> | undefined

  constructor(dataDir: string) {
    this.path = join(dataDir, 'sandbox', 'wire.log')
  }

  async start(): Promise<void> {
    await mkdir(dirname(this.path), { recursive: true, mode: 0o700 })
    this.file = await open(this.path, 'a+', 0o600)
    await this.endLine(this.file)
  }

  async stop(): Promise<void> {
    await this.writing
    await this.file?.close()
    this.file = undefined
  }

  /** Resolves when the line is on the disk. */
  append(line: WireLine): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ line: `${JSON.stringify(line)}\n`, resolve, reject })
      this.writing ??= this.drain().finally(() => {
        this.writing = undefined
      })
    })
  }

  /** Whether WhatsApp was ever given this message. */
  async has(session: SessionId, waMessageId: string): Promise<boolean> {
    await this.writing
    const input = createReadStream(this.path)
    const lines = createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })
    try {
      for await (const text of lines) {
        if (!text.includes(waMessageId)) continue
        const line = parse(text)
        if (line?.session === session && line.waMessageId === waMessageId) return true
      }
    } finally {
      lines.close()
      // Closing the lines leaves the file open.
      input.destroy()
    }
    return false
  }

  private async drain(): Promise<void> {
    while (this.waiting.length > 0) {
      const batch = this.waiting.splice(0)
      try {
        if (!this.file) throw new Error('The wire log is closed')
        if (this.torn) await this.endLine(this.file)
        this.torn = false
        await this.file.appendFile(batch.map(({ line }) => line).join(''))
        await this.file.datasync()
        for (const { resolve } of batch) resolve()
      } catch (error) {
        this.torn = true
        for (const { reject } of batch) reject(error)
      }
    }
  }

  /** A crash, or a full disk, cut the last line short: that message was never taken. */
  private async endLine(file: FileHandle): Promise<void> {
    const { size } = await file.stat()
    if (size === 0) return
    const last = Buffer.alloc(1)
    await file.read(last, 0, 1, size - 1)
    if (last.toString() !== '\n') await file.appendFile('\n')
  }
}

function parse(text: string): WireLine | undefined {
  try {
    return JSON.parse(text) as WireLine
  } catch {
    return undefined
  }
}
