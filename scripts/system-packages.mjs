// Installs packages of the distribution, when we may (as root) and can (apt, apk or dnf).
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { isRoot, lastLines, run, SetupError, which } from './steps.mjs'

const managers = {
  'apt-get': {
    refresh: ['apt-get', 'update', '-qq'],
    install: ['apt-get', 'install', '-y', '-qq', '--no-install-recommends'],
    env: { DEBIAN_FRONTEND: 'noninteractive' },
  },
  apk: { install: ['apk', 'add', '--no-cache', '--quiet'], env: {} },
  dnf: { install: ['dnf', 'install', '-y', '-q'], env: {} },
}

/** `apt-get`, `apk` or `dnf`; undefined on another system. */
export const packageManager = Object.keys(managers).find((name) => which(name))

export const canInstall = isRoot && packageManager !== undefined

/** The command that a person types to get the same. */
export function installCommand(packages) {
  const manager = packageManager ?? 'apt-get'
  return `sudo ${manager} ${manager === 'apk' ? 'add' : 'install'} ${namesFor(packages).join(' ')}`
}

/** `packages` gives the names by package manager: `{ 'apt-get': [...], apk: [...], dnf: [...] }`. */
export async function installSystemPackages(packages) {
  const names = namesFor(packages)
  const { refresh, install, env } = managers[packageManager]
  if (refresh) {
    // A source that cannot be reached is no reason to stop: the package may be in the lists already.
    await run(refresh[0], refresh.slice(1), { env })
  }
  const { ok, output } = await withoutStartingServices(() => run(install[0], [...install.slice(1), ...names], { env }))
  if (!ok) throw new SetupError(`Could not install ${names.join(', ')} with ${packageManager}:\n${lastLines(output)}`)
}

function namesFor(packages) {
  return packages[packageManager ?? 'apt-get']
}

/** Debian starts a server when its package is installed, unless policy-rc.d forbids it. */
async function withoutStartingServices(work) {
  const policy = '/usr/sbin/policy-rc.d'
  if (packageManager !== 'apt-get' || existsSync(policy)) return work()
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    return await work()
  } finally {
    rmSync(policy, { force: true })
  }
}
