import type { GroupInfo } from './types.js'
import { contactOf, type Account, type Accounts } from './accounts.js'
import { newGroupId, newMessageId, toId } from './ids.js'
import type { Post } from './post.js'

/** The groups, and what their members are told when one changes. */
export class Groups {
  #groups = new Map<string, GroupInfo>()
  /** Set once, because groups speak through the post and the post asks groups for their members. */
  post!: Post

  constructor(private readonly accounts: Accounts) {}

  create(owner: string, subject: string, members: string[]): GroupInfo {
    const group: GroupInfo = {
      id: newGroupId(),
      subject,
      owner,
      createdAt: Date.now(),
      announce: false,
      participants: [{ id: owner, admin: true }],
    }
    this.#groups.set(group.id, group)
    const ids = members.map((member) => this.accounts.get(member).id)
    group.participants.push(...ids.map((id) => ({ id, admin: false })))
    this.#tell(group)
    this.#notice(group, owner, 'create', ids, subject)
    return group
  }

  add(id: string, by: string, people: string[]): void {
    const group = this.get(id)
    const ids = people.map((person) => this.accounts.get(person).id)
    for (const added of ids) if (!isIn(group, added)) group.participants.push({ id: added, admin: false })
    this.#tell(group)
    this.#notice(group, by, 'add', ids)
  }

  /** Those who go still hear of it: the notice is given before they are gone. */
  remove(id: string, by: string, people: string[]): void {
    const group = this.get(id)
    const ids = people.map(toId)
    this.#notice(group, by, ids.length === 1 && ids[0] === by ? 'leave' : 'remove', ids)
    group.participants = group.participants.filter((participant) => !ids.includes(participant.id))
    this.#tell(group)
  }

  promote(id: string, by: string, person: string, admin: boolean): void {
    const group = this.get(id)
    const target = toId(person)
    group.participants = group.participants.map((each) => (each.id === target ? { ...each, admin } : each))
    this.#tell(group)
    this.#notice(group, by, admin ? 'promote' : 'demote', [target])
  }

  update(id: string, by: string, change: { subject?: string; description?: string; announce?: boolean }): void {
    const group = this.get(id)
    Object.assign(group, change)
    this.#tell(group)
    for (const [kind, value] of Object.entries(change)) this.#notice(group, by, kind, [], String(value))
  }

  find(id: string): GroupInfo | undefined {
    return this.#groups.get(id)
  }

  get(id: string): GroupInfo {
    const group = this.#groups.get(id)
    if (!group) throw new Error(`No group ${id}`)
    return group
  }

  of(member: string): GroupInfo[] {
    return [...this.#groups.values()].filter((group) => isIn(group, member))
  }

  isMember(id: string, member: string): boolean {
    const group = this.#groups.get(id)
    return group !== undefined && isIn(group, member)
  }

  isAdmin(id: string, member: string): boolean {
    return this.#groups.get(id)?.participants.some((each) => each.id === member && each.admin) ?? false
  }

  /** The group together with what a page must know about its members. */
  forPage(group: GroupInfo) {
    const contacts = this.#membersOf(group).map(contactOf)
    return { ...group, contacts }
  }

  #tell(group: GroupInfo): void {
    for (const member of this.#membersOf(group)) member.tell({ push: 'group', group: this.forPage(group) })
  }

  /** Without those who are not registered any more. */
  #membersOf(group: GroupInfo): Account[] {
    return group.participants.flatMap(({ id }) => this.accounts.find(id) ?? [])
  }

  #notice(group: GroupInfo, by: string, kind: string, recipients: string[], body?: string): void {
    const content = { id: newMessageId(), chat: group.id, type: 'group' as const, notice: { kind, recipients }, body }
    this.post.deliver(this.post.take(this.accounts.get(by), content, null))
  }
}

function isIn(group: GroupInfo, member: string): boolean {
  return group.participants.some(({ id }) => id === member)
}
