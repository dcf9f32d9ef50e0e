import { line } from './line.js'

/** Faults that happen inside the page, before the server hears of anything. Forgotten when the page is loaded anew. */
const planned = []

line.on('fault', ({ fault }) => planned.push({ ...fault }))

/** Takes the next planned fault of this operation, if any: it hangs, fails or is late. */
export async function faultIn(operation) {
  const index = planned.findIndex(({ op }) => op === operation)
  if (index < 0) return
  const fault = planned[index]
  fault.count -= 1
  if (fault.count <= 0) planned.splice(index, 1)
  if (fault.mode === 'hang') await new Promise(() => {})
  if (fault.mode === 'fail') throw new Error(`The simulator failed ${operation}, as it was told to`)
  await new Promise((resolve) => setTimeout(resolve, fault.delayMs))
}
