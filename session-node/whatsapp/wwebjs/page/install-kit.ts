import type { Msg, PageKit, PageWindow, Person } from './page-types.js'

declare const window: PageWindow

// Functions in this folder run in the page: nothing from outside of them exists there.

/** Helpers that the other scripts share. */
export function installKit(load: number): void {
  if (window.__switchboard) {
    window.__switchboard.load = load
    return
  }
  const wa = window.require
  const { Msg: messages, Contact: known } = wa('WAWebCollections')
  const { createWid } = wa('WAWebWidFactory')
  const contacts = wa('WAWebApiContact')
  const MsgKeyClass = wa('WAWebMsgKey')

  // Newer builds renamed the property that holds a key as text, and whatsapp-web.js asks for the old name everywhere.
  const sample = messages.getModelsArray()[0]?.id ?? null
  const renamed = sample === null || !Object.hasOwn(sample, '_serialized')
  if (renamed && !('_serialized' in MsgKeyClass.prototype)) {
    Object.defineProperty(MsgKeyClass.prototype, '_serialized', {
      configurable: true,
      get(this: { toString(): string }) {
        return this.toString()
      },
      // A build that sets it on each key gets its own property, as without this.
      set(value: string) {
        Object.defineProperty(this, '_serialized', { value, writable: true, enumerable: true, configurable: true })
      },
    })
  }

  const text = (id: unknown): string => {
    if (id === undefined || id === null) return ''
    if (typeof id === 'string') return id
    return (id as { _serialized?: string })._serialized ?? String(id)
  }

  const contactOf = (id: string) => {
    try {
      return known?.get(createWid(id))
    } catch {
      return undefined
    }
  }

  const sibling = (id: string): string => {
    try {
      const wid = createWid(id)
      if (wid.server !== 'lid') return text(contacts.getCurrentLid(wid))
      return text(contacts.getPhoneNumber(wid)) || text(contactOf(id)?.phoneNumber)
    } catch {
      return ''
    }
  }

  const person = (given: unknown): Person => {
    const id = text(given)
    const isLid = id.endsWith('@lid')
    if (!isLid && !id.endsWith('@c.us')) return { id }
    const other = sibling(id)
    const named = [contactOf(id), other ? contactOf(other) : undefined]
    const name = named.flatMap((contact) => contact?.pushname || contact?.verifiedName || []).at(0)
    return {
      id,
      ...(isLid && { lid: id, ...(other.endsWith('@c.us') && { phone: other }) }),
      ...(!isLid && { phone: id, ...(other.endsWith('@lid') && { lid: other }) }),
      ...(name !== undefined && { name }),
    }
  }

  const loaded = (id: string): Msg | undefined => {
    const all = messages.getModelsArray()
    for (let index = all.length - 1; index >= 0; index -= 1) if (all[index]?.id.id === id) return all[index]
    return undefined
  }

  /** In memory, by key under each address of the chat, then among the chat's last messages. */
  const find: PageKit['find'] = async (id, chatId) => {
    const inMemory = loaded(id)
    if (inMemory) return { msg: inMemory, check: 'messages in memory' }
    const { phone, lid } = person(chatId)
    for (const chat of new Set([chatId, phone, lid])) {
      if (!chat) continue
      for (const fromMe of [true, false]) {
        const key = `${fromMe}_${chat}_${id}`
        const found = await messages.getMessagesById([key]).catch(() => undefined)
        const msg = found?.messages?.find((candidate) => candidate?.id.id === id)
        if (msg) return { msg, check: 'message by key' }
      }
    }
    const chat = await window.WWebJS.getChat(chatId, { getAsModel: false }).catch(() => null)
    if (!chat) return undefined
    for (let count = chat.msgs.getModelsArray().length; count < 50;) {
      const more = await wa('WAWebChatLoadMessages').loadEarlierMsgs({ chat })
      if (!more || more.length === 0) break
      count += more.length
    }
    const msg = loaded(id) ?? chat.msgs.getModelsArray().find((candidate) => candidate.id.id === id)
    return msg && { msg, check: 'last messages of the chat' }
  }

  window.__switchboard = { load, text, person, loaded, find, sent: new Map(), abandoned: new Map(), files: new Map() }
}
