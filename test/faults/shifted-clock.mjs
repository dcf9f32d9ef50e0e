/**
 * Loaded by a process under test before anything else: its wall clock is ahead of the true one by as many milliseconds
 * as the file CLOCK_FILE says, from the moment the file says so. What is not the wall clock (timers, `performance.now()`)
 * stays true, as it does when somebody sets the time of a machine.
 */
import { readFileSync, writeFileSync } from 'node:fs'

const TrueDate = Date
const file = process.env.CLOCK_FILE ?? ''
let aheadMs = 0

function look() {
  let wanted
  try {
    wanted = Number(readFileSync(file, 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    wanted = 0
  }
  if (Number.isNaN(wanted) || wanted === aheadMs) return
  aheadMs = wanted
  writeFileSync(`${file}.seen`, `${process.pid} ${aheadMs}`)
}

const now = () => TrueDate.now() + aheadMs

globalThis.Date = new Proxy(TrueDate, {
  construct: (target, given, made) => Reflect.construct(target, given.length === 0 ? [now()] : given, made),
  apply: () => new TrueDate(now()).toString(),
  get: (target, name) => (name === 'now' ? now : Reflect.get(target, name)),
})

look()
setInterval(look, 20).unref()
