/**
 * Loaded by a process under test before anything else: every path that it opens, changes or looks at through Node is
 * written to the file OPENED, as `function path`.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { fileURLToPath } from 'node:url'

const { OPENED } = process.env
const append = fs.appendFileSync
const watched =
  /^(?:open|readFile|writeFile|appendFile|rm|rmdir|unlink|rename|link|symlink|mkdir|readdir|opendir|truncate|chmod|copyFile|cp|access|l?stat|createReadStream|createWriteStream|mkdtemp)(?:Sync)?$/
let busy = false

function told(path) {
  if (path instanceof URL) return fileURLToPath(path)
  return typeof path === 'string' || Buffer.isBuffer(path) ? String(path) : undefined
}

function watch(api) {
  for (const name of Object.keys(api).filter((one) => watched.test(one))) {
    const original = api[name]
    if (typeof original !== 'function') continue
    api[name] = function (...args) {
      const paths = /^(?:rename|link|symlink|copyFile|cp)/.test(name) ? args.slice(0, 2) : args.slice(0, 1)
      if (!busy) {
        busy = true
        const lines = paths.map(told).filter((path) => path !== undefined && path !== OPENED)
        if (lines.length > 0) append(OPENED, lines.map((path) => `${name} ${JSON.stringify(path)}\n`).join(''))
        busy = false
      }
      return original.apply(this, args)
    }
  }
}

watch(fs)
watch(fs.promises)
syncBuiltinESMExports()
