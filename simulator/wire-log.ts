import { appendFileSync, mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { WireLine } from './types.js'

/**
 * What WhatsApp saw: one line for each message that a linked device handed over, written before anything else happens
 * with it. The same message handed over twice is two lines.
 */
export class WireLog {
  readonly lines: WireLine[] = []

  constructor(private readonly file?: string) {
    if (file) mkdirSync(dirname(file), { recursive: true })
  }

  append(line: WireLine): void {
    this.lines.push(line)
    if (this.file) appendFileSync(this.file, `${JSON.stringify(line)}\n`)
  }
}
