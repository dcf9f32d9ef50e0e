import type { FoundMessage, PageWindow, Person, SendRecord } from './page-types.js'

declare const window: PageWindow

export interface PageHealth {
  state: string | null
  hasSynced: boolean
  /** The library's helpers are in the page. */
  injected: boolean
  /** The library hears of new messages. */
  listening: boolean
  /** Our scripts are in the page. */
  hooked: boolean
}

export function readHealth(): PageHealth {
  let socket: { state?: string; hasSynced?: boolean } = {}
  try {
    socket = window.require('WAWebSocketModel').Socket
  } catch {
    // The page has not loaded its modules yet.
  }
  let hooked = false
  try {
    const action = window.require('WAWebSendMsgChatAction').addAndSendMsgToChat as { ours?: boolean }
    hooked = window.__switchboard !== undefined && action.ours === true
  } catch {
    // As above.
  }
  return {
    state: socket.state ?? null,
    hasSynced: socket.hasSynced === true,
    injected: window.WWebJS !== undefined,
    listening: typeof window.onAddMessageEvent === 'function',
    hooked,
  }
}

/** What is missing of WhatsApp Web: the names of modules and functions. */
export function listMissing(needed: [module: string, path: string][]): string[] {
  const require = window.require as unknown as (name: string) => unknown
  return needed
    .filter(([name, path]) => {
      try {
        let value: unknown = require(name)
        for (const step of path.split('.').filter((part) => part !== '')) {
          value = (value as Record<string, unknown> | undefined)?.[step]
        }
        return value === undefined || value === null
      } catch {
        return true
      }
    })
    .map(([name, path]) => (path === '' ? name : `${name}.${path}`))
}

export interface WhoAmI {
  phone: string
  lid: string
  pushName: string
  webVersion: string
}

export function readMe(): WhoAmI {
  const me = window.require('WAWebUserPrefsMeUser')
  const text = (wid: { _serialized?: string } | undefined) => wid?._serialized ?? ''
  return {
    phone: text(me.getMaybeMePnUser()),
    lid: text(me.getMaybeMeLidUser()),
    pushName: window.require('WAWebConnModel').Conn.pushname ?? '',
    webVersion: window.Debug?.VERSION ?? '',
  }
}

/** The library's own refresh throws in Node, so that the codes end when WhatsApp goes idle. */
export async function refreshQr(): Promise<void> {
  await window.require('WAWebCmd').Cmd.refreshQR?.()
}

export async function queryNumber(id: string): Promise<string> {
  const wid = window.require('WAWebWidFactory').createWid(id)
  const answer = await window.require('WAWebQueryExistsJob').queryWidExists(wid)
  return answer?.wid?._serialized ?? ''
}

/** Whom the page knows once it has asked WhatsApp about them. */
export function lookUpPeople(lids: string[]): Promise<Person[]> {
  const kit = window.__switchboard
  if (!kit) throw new Error('Our scripts are not in the page.')
  const { createWid } = window.require('WAWebWidFactory')
  const { queryWidExists } = window.require('WAWebQueryExistsJob')
  return Promise.all(
    lids.map(async (lid) => {
      // One that cannot be found out must not take the others along.
      await queryWidExists(createWid(lid)).catch(() => undefined)
      return kit.person(lid)
    }),
  )
}

export function chatIsOpen(id: string): boolean {
  const { Chat } = window.require('WAWebCollections')
  return Chat.get(window.require('WAWebWidFactory').createWid(id)) !== undefined
}

export interface Noted {
  load: number
  record?: SendRecord | undefined
}

export function readSent(id: string): Noted {
  const kit = window.__switchboard
  if (!kit) throw new Error('Our scripts are not in the page.')
  return { load: kit.load, record: kit.sent.get(id) }
}

/** From now on this attempt does not go out; tells whether it had. */
export function abandonSend({ id, attempt }: { id: string; attempt: number }): Noted {
  const kit = window.__switchboard
  if (!kit) throw new Error('Our scripts are not in the page.')
  kit.abandoned.set(id, attempt)
  for (const oldest of kit.abandoned.keys()) {
    if (kit.abandoned.size <= 1_000) break
    kit.abandoned.delete(oldest)
  }
  return { load: kit.load, record: kit.sent.get(id) }
}

export async function findMessage({ id, chatId }: { id: string; chatId: string }): Promise<FoundMessage | undefined> {
  const found = await window.__switchboard?.find(id, chatId)
  return found && { key: String(found.msg.id), ack: found.msg.ack, check: found.check }
}

export async function react(order: { id: string; chatId: string; emoji: string }): Promise<boolean> {
  const found = await window.__switchboard?.find(order.id, order.chatId)
  if (!found) return false
  await window.require('WAWebSendReactionMsgAction').sendReactionToMsg(found.msg, order.emoji)
  return true
}
