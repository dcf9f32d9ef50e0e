import { existsSync, readFileSync } from 'node:fs'

// This file runs from the sources and from dist/.
const packageFile = ['../package.json', '../../package.json']
  .map((path) => new URL(path, import.meta.url))
  .find((path) => existsSync(path))

/** Of Switchboard, as package.json has it. */
export const version = packageFile
  ? (JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string }).version
  : 'unknown'
