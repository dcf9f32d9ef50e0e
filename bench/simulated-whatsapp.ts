/** The stand-in for WhatsApp, in a process of its own, so that what it costs is nobody else's. */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { SimulatorClient } from '../simulator/simulator-client.js'
import type { Settings } from '../simulator/types.js'

const root = fileURLToPath(new URL('..', import.meta.url))

export interface SimulatedWhatsapp {
  whatsapp: SimulatorClient
  /** Flags for a Chromium that shall see it, also as one line for CHROMIUM_ARGS. */
  chromiumArgs: string[]
  chromiumArgsLine: string
  stop(): Promise<void>
}

export async function startSimulatedWhatsapp(settings: Partial<Settings>): Promise<SimulatedWhatsapp> {
  const child = spawn(process.execPath, ['dist/simulator/main.js', `--settings=${JSON.stringify(settings)}`], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  const first = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve)
    child.once('exit', (code) => reject(new Error(`The simulator ended with ${code}`)))
  })
  const { control, chromiumArgs, chromiumArgsLine } = JSON.parse(first) as Ready
  return {
    whatsapp: new SimulatorClient(control),
    chromiumArgs,
    chromiumArgsLine,
    stop() {
      child.kill()
      return ended
    },
  }
}

interface Ready {
  control: string
  chromiumArgs: string[]
  chromiumArgsLine: string
}
