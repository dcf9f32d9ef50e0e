import { Accounts, contactOf, type Account } from './accounts.js'
import { Calls } from './calls.js'
import { Changes } from './changes.js'
import type { Device } from './device.js'
import { Faults } from './faults.js'
import { entrance, type LateMessage } from './greeting.js'
import { Groups } from './groups.js'
import { Linking } from './linking.js'
import { MediaStore } from './media-store.js'
import { Post } from './post.js'
import type { Content, Quoted, Settings } from './types.js'
import { toId } from './ids.js'
import { WireLog } from './wire-log.js'

/** WhatsApp itself, as far as it is simulated: everything that outlives a page. */
export class Whatsapp {
  readonly changes = new Changes()
  readonly faults = new Faults()
  readonly media = new MediaStore()
  readonly accounts: Accounts
  readonly groups: Groups
  readonly post: Post
  readonly calls: Calls
  readonly linking: Linking
  /** Messages that came while a device was off, to be announced once it says that it has synced. */
  #heldBack = new Map<Device, LateMessage[]>()

  constructor(
    readonly settings: Settings,
    readonly wireLog: WireLog,
  ) {
    const changed = () => this.changes.note()
    this.accounts = new Accounts((account) => this.#introduce(account))
    this.groups = new Groups(this.accounts)
    this.post = new Post(this.accounts, this.groups, changed)
    this.groups.post = this.post
    this.calls = new Calls(this.accounts, changed)
    this.linking = new Linking(
      settings,
      (page, device) => {
        page.device = device
        device.attach(page)
        page.write({ push: 'linked', ...entrance(this, device, []) })
      },
      changed,
    )
  }

  readonly holdBack = (device: Device, messages: LateMessage[]): void => {
    this.#heldBack.set(device, messages)
  }

  deliverHeldBack(device: Device): void {
    for (const frame of this.#heldBack.get(device) ?? []) device.tell({ ...frame })
    this.#heldBack.delete(device)
  }

  /** Fills in what a message only points at: the message it quotes, and whom it mentions. */
  complete<Draft extends Content & { chat: string }>(sender: Account, draft: Draft): Draft {
    const quoted = draft.quoted && this.#quote(sender, draft.chat, draft.quoted)
    return { ...draft, quoted, mentions: draft.mentions?.map(toId) }
  }

  /** A message that its sender does not have, as a private reply to a group has it, is quoted by its id alone. */
  #quote(sender: Account, chat: string, { id, from }: { id: string; from?: string }): Quoted {
    const message = this.post.find(sender, { chat, id })
    if (!message) return { id, from: from ?? sender.id, type: 'text' }
    return { id, from: message.from, type: message.type, body: message.body }
  }

  #introduce(account: Account): void {
    for (const each of this.accounts.list()) each.tell({ push: 'contacts', contacts: [contactOf(account)] })
    this.changes.note()
  }
}
