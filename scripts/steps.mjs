// How the set-up scripts speak and run commands. Node built-ins only: they work before there is a node_modules.
import { spawn } from 'node:child_process'
import { accessSync, constants, statSync } from 'node:fs'
import { delimiter, dirname, isAbsolute, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
export const isRoot = process.getuid?.() === 0

/** Something a person has to do; shown as it is, without a stack. */
export class SetupError extends Error {
  name = 'SetupError'
}

export function say(line) {
  process.stderr.write(`set-up: ${line}\n`)
}

/** Says what it does before, and how long it took after. */
export async function step(title, work) {
  const startedAt = Date.now()
  say(`${title} …`)
  const result = await work()
  say(`${title}: done in ${duration(Date.now() - startedAt)}`)
  return result
}

export function duration(ms) {
  if (ms < 10_000) return `${(ms / 1000).toFixed(1)} s`
  if (ms < 120_000) return `${Math.round(ms / 1000)} s`
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1000)} s`
}

/**
 * Runs a command in the project's folder and keeps what it says; shown only when something went wrong.
 * Never throws: `ok` says how it ended.
 */
export function run(command, args, { env = {}, timeoutMs = 15 * 60_000 } = {}) {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
    })
    let output = ''
    const keep = (chunk) => {
      output = (output + chunk).slice(-64_000)
    }
    child.stdout.on('data', keep)
    child.stderr.on('data', keep)
    child.on('error', (error) => resolve({ ok: false, output: `${output}${error.message}\n` }))
    child.on('close', (code) => resolve({ ok: code === 0, output }))
  })
}

/** As `run`, but a failure ends the set-up and shows the end of what the command said. */
export async function mustRun(command, args, options) {
  const { ok, output } = await run(command, args, options)
  if (!ok) throw new SetupError(`\`${[command, ...args].join(' ')}\` failed:\n${lastLines(output)}`)
  return output
}

export function lastLines(output, count = 30) {
  return output.trimEnd().split('\n').slice(-count).join('\n')
}

/** The full path of a program, looked for in PATH and where system programs live. */
export function which(program) {
  if (isAbsolute(program)) return isExecutable(program) ? program : undefined
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  return folders
    .filter(Boolean)
    .map((folder) => join(folder, program))
    .find(isExecutable)
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return statSync(path).isFile()
  } catch {
    return false
  }
}

/** Runs the body of a script: a SetupError becomes its sentence and exit code 1. */
export async function main(body) {
  try {
    await body()
  } catch (error) {
    process.stderr.write(error instanceof SetupError ? `\nset-up: ${error.message}\n` : `\n${error.stack}\n`)
    process.exitCode = 1
  }
}
