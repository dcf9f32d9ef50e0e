import { randomUUID } from 'node:crypto'
import type { Account, Accounts } from './accounts.js'

export interface Call {
  id: string
  from: string
  to: string
  video: boolean
  at: number
  status: 'ringing' | 'rejected' | 'ended'
}

/** Calls: they ring on linked devices, which can only reject them. */
export class Calls {
  readonly list: Call[] = []

  constructor(
    private readonly accounts: Accounts,
    private readonly onChange: () => void,
  ) {}

  ring(from: Account, to: Account, video: boolean): Call {
    const call: Call = { id: randomUUID(), from: from.id, to: to.id, video, at: Date.now(), status: 'ringing' }
    this.list.push(call)
    to.tell({ push: 'call', call })
    this.onChange()
    return call
  }

  reject(id: string, by: string): void {
    const call = this.list.find((each) => each.id === id && each.to === by)
    if (!call) throw new Error(`No call ${id} rings there`)
    this.#end(call, 'rejected')
  }

  hangUp(id: string): void {
    const call = this.list.find((each) => each.id === id)
    if (!call) throw new Error(`No call ${id}`)
    this.#end(call, 'ended')
  }

  #end(call: Call, status: Call['status']): void {
    call.status = status
    this.accounts.get(call.to).tell({ push: 'callEnded', id: call.id })
    this.onChange()
  }
}
