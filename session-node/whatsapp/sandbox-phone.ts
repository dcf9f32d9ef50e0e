import { appendFile, mkdir, open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { EventBody } from '../../proto/contract.js'

export type InboxMessage = Omit<EventBody & { kind: 'message_received' }, 'kind' | 'origin' | 'mentions'>

/** What a real profile keeps in its browser's storage: whether a number is linked, and the messages it was sent. */
export class SandboxPhone {
  private readonly linkFile: string
  private readonly inboxFile: string

  constructor(private readonly directory: string) {
    this.linkFile = join(directory, 'linked.json')
    this.inboxFile = join(directory, 'inbox.jsonl')
  }

  /** The number, in digits. */
  async linked(): Promise<string | undefined> {
    const text = await readIfThere(this.linkFile)
    return text === undefined ? undefined : (JSON.parse(text) as { phone: string }).phone
  }

  async link(phone: string): Promise<void> {
    await mkdir(this.directory, { recursive: true, mode: 0o700 })
    const temporary = `${this.linkFile}.part`
    const file = await open(temporary, 'w', 0o600)
    try {
      await file.writeFile(JSON.stringify({ phone }))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, this.linkFile)
  }

  unlink(): Promise<void> {
    return rm(this.linkFile, { force: true })
  }

  keep(message: InboxMessage): Promise<void> {
    return appendFile(this.inboxFile, `${JSON.stringify(message)}\n`, { mode: 0o600 })
  }

  /** What came at or after a time, oldest first. */
  async inbox(since: number): Promise<InboxMessage[]> {
    const text = (await readIfThere(this.inboxFile)) ?? ''
    return text
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .map((line) => JSON.parse(line) as InboxMessage)
      .filter(({ sentAt }) => sentAt >= since)
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
