import { hkdfSync, randomBytes } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Service } from '../../runtime/lifecycle.js'

/** What keys are derived for; each gets its own, so that none can be used for another's. */
export type Purpose = 'api-keys' | 'links' | 'media' | 'webhook-secrets' | 'idempotency' | 'events'

export interface SecretsOptions {
  /** SECRET_KEY; without it one is made in the data folder and kept there. */
  secretKey?: string | undefined
  dataDir: string
}

/** Everything that the gateway signs, hashes or encrypts with, from one secret. */
export class Secrets implements Service {
  private master: string | undefined
  private readonly derived = new Map<Purpose, Buffer>()

  constructor(private readonly options: SecretsOptions) {}

  async start(): Promise<void> {
    this.master = this.options.secretKey ?? (await keptSecret(this.options.dataDir))
  }

  async stop(): Promise<void> {
    this.derived.clear()
  }

  key(purpose: Purpose): Buffer {
    if (this.master === undefined) throw new Error('Secrets have not been started')
    let key = this.derived.get(purpose)
    if (!key) {
      key = Buffer.from(hkdfSync('sha256', this.master, 'switchboard', purpose, 32))
      this.derived.set(purpose, key)
    }
    return key
  }
}

async function keptSecret(dataDir: string): Promise<string> {
  const file = join(dataDir, 'secret-key')
  const kept = await readIfThere(file)
  if (kept !== undefined) return kept
  const made = randomBytes(32).toString('hex')
  await writeKept(file, made)
  return made
}

/** The text of a small file of ours; undefined when there is none. */
export async function readIfThere(file: string): Promise<string | undefined> {
  try {
    const text = (await readFile(file, 'utf8')).trim()
    return text === '' ? undefined : text
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

export async function writeKept(file: string, text: string): Promise<void> {
  await mkdir(join(file, '..'), { recursive: true, mode: 0o700 })
  await writeFile(file, `${text}\n`, { mode: 0o600, flush: true })
}
