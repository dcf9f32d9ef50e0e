import type { Fault, FaultOperation } from './types.js'

/** Planned faults; each strikes as often as it says and is gone. */
export class Faults {
  #planned: (Fault & { count: number })[] = []

  plan(fault: Fault): void {
    this.#planned.push({ ...fault, count: fault.count ?? 1 })
  }

  /** Takes the next fault of this operation for this number, if one is planned. */
  take(op: FaultOperation, number: string | null): Fault | undefined {
    const index = this.#planned.findIndex(
      (fault) => fault.op === op && (fault.number === undefined || fault.number === number),
    )
    const fault = this.#planned[index]
    if (!fault) return undefined
    fault.count -= 1
    if (fault.count <= 0) this.#planned.splice(index, 1)
    return fault
  }

  clear(): void {
    this.#planned = []
  }
}
