import type { Whatsapp } from './whatsapp.js'
import { accountOf, deviceOf, type PageConnection } from './page-connection.js'
import type { Account } from './accounts.js'
import { contactOf } from './accounts.js'
import type { FaultOperation } from './types.js'
import { identityOf, viewOf } from './message.js'
import { isGroup } from './ids.js'
import { pageView } from './page-view.js'
import type { MessageRef } from './post.js'
import { greet } from './greeting.js'
import { sendingOperations } from './sending-operations.js'

const HISTORY_PAGE = 20

/** What a page may ask of WhatsApp. */
export function pageOperations(whatsapp: Whatsapp) {
  const { accounts, groups, post, linking, settings } = whatsapp

  function lookup(id: string): Account | undefined {
    if (settings.allRegistered && id.endsWith('@c.us')) return accounts.register(id)
    return accounts.find(id)
  }

  function message(account: Account, ref: MessageRef) {
    return pageView(viewOf(post.get(account, ref), account))
  }

  return {
    ...sendingOperations(whatsapp),

    hello: (page: PageConnection, args: Parameters<typeof greet>[2]) => greet(whatsapp, page, args),

    synced(page: PageConnection): void {
      whatsapp.deliverHeldBack(deviceOf(page))
    },

    refreshQr: (page: PageConnection) => ({ ref: linking.wait(page) }),

    pairingCode: (page: PageConnection, { phone }: { phone: string }) => ({ code: linking.pairingCode(page, phone) }),

    unlink(page: PageConnection): void {
      linking.unlink(deviceOf(page), null)
      page.device = null
    },

    takeover(page: PageConnection): void {
      const device = deviceOf(page)
      if (device.page !== page) device.page?.write({ push: 'state', state: 'CONFLICT' })
      device.attach(page)
      page.write({ push: 'state', state: 'CONNECTED' })
      for (const frame of device.takeQueue()) page.write(frame)
    },

    lookup(_page: PageConnection, { id }: { id: string }) {
      const account = lookup(id)
      return account ? contactOf(account) : null
    },

    chat(page: PageConnection, { id }: { id: string }) {
      if (isGroup(id)) {
        const group = groups.isMember(id, accountOf(page).id) ? groups.get(id) : undefined
        return group ? { kind: 'group', id, group: groups.forPage(group) } : null
      }
      if (!/@(c\.us|lid)$/.test(id)) return null
      const account = lookup(id)
      return account ? { kind: 'person', id: account.id, contact: contactOf(account) } : { kind: 'unregistered' }
    },

    group(_page: PageConnection, { id }: { id: string }) {
      const group = groups.find(id)
      return group ? groups.forPage(group) : null
    },

    leaveGroup(page: PageConnection, { id }: { id: string }): void {
      const me = accountOf(page).id
      groups.remove(id, me, [me])
    },

    updateGroup(page: PageConnection, { id, ...change }: { id: string; subject?: string; description?: string }): void {
      groups.update(id, accountOf(page).id, change)
    },

    message(page: PageConnection, { chat, id, fromMe }: { chat: string; id: string; fromMe: boolean }) {
      const account = accountOf(page)
      const found = post.find(account, { chat, id })
      return found && (found.from === account.id) === fromMe ? message(account, { chat, id }) : null
    },

    history(page: PageConnection, { chat, before }: { chat: string; before?: { id: string; from: string } }) {
      const account = accountOf(page)
      const messages = account.chats.get(chat)?.messages ?? []
      const oldest = before && identityOf(post.find(account, { chat, ...before }) ?? { ...before, chat })
      const found = messages.findIndex((each) => identityOf(each) === oldest)
      const end = found < 0 ? messages.length : found
      return messages.slice(Math.max(0, end - HISTORY_PAGE), end).map((each) => pageView(viewOf(each, account)))
    },

    messageInfo(page: PageConnection, ref: MessageRef) {
      const { receipts, recipients } = post.get(accountOf(page), ref)
      const reached = (level: number) =>
        [...receipts].filter(([, each]) => each >= level).map(([id]) => ({ id, t: Math.floor(Date.now() / 1000) }))
      const left = (level: number) => recipients.length - reached(level).length
      return {
        delivery: reached(2),
        deliveryRemaining: left(2),
        read: reached(3),
        readRemaining: left(3),
        played: reached(4),
        playedRemaining: left(4),
      }
    },

    edit(page: PageConnection, { body, ...ref }: MessageRef & { body: string }) {
      const account = accountOf(page)
      const edited = post.edit(account, ref, body, page.device)
      return pageView(viewOf(edited, account))
    },

    revoke(page: PageConnection, ref: MessageRef): void {
      post.revoke(accountOf(page), ref, page.device)
    },

    deleteForMe(page: PageConnection, ref: MessageRef): void {
      post.deleteFor(accountOf(page), ref, page.device)
    },

    react(page: PageConnection, { emoji, ...ref }: MessageRef & { emoji: string }) {
      const [, reaction] = post.react(accountOf(page), ref, emoji, page.device)
      return { message: message(accountOf(page), ref), reaction }
    },

    vote(page: PageConnection, { options, ...ref }: MessageRef & { options: string[] }) {
      const [, vote] = post.vote(accountOf(page), ref, options, page.device)
      return { message: message(accountOf(page), ref), vote }
    },

    seen(page: PageConnection, { chat }: { chat: string }): void {
      post.read(accountOf(page), { chat }, page.device)
    },

    deleteChat(page: PageConnection, { chat }: { chat: string }): void {
      accountOf(page).chat(chat).messages = []
    },

    chatFlags(page: PageConnection, { chat, flags }: { chat: string; flags: Record<string, unknown> }): void {
      Object.assign(accountOf(page).chat(chat).flags, flags)
    },

    typing(page: PageConnection, { chat, state }: { chat: string; state: string }): void {
      accountOf(page).typing.set(chat, state)
      whatsapp.changes.note()
    },

    presence(page: PageConnection, { online }: { online: boolean }): void {
      accountOf(page).presence = online
      whatsapp.changes.note()
    },

    about: (_page: PageConnection, { id }: { id: string }) => accounts.find(id)?.about ?? null,

    setAbout(page: PageConnection, { about }: { about: string }): void {
      accountOf(page).about = about
    },

    setName(page: PageConnection, { name }: { name: string }): void {
      accountOf(page).name = name
    },

    /** Device 0 is the phone. */
    devices(_page: PageConnection, { id }: { id: string }) {
      const account = accounts.find(id)
      return account ? [0, ...[...account.devices].map((_device, index) => index + 1)] : []
    },

    rejectCall(page: PageConnection, { id }: { id: string }): void {
      whatsapp.calls.reject(id, accountOf(page).id)
    },
  }
}

/** Operations that a fault can strike before the server does anything. A send sees to its own. */
export const FAULT_OF: Record<string, FaultOperation> = { lookup: 'lookup', chat: 'chat', pairingCode: 'pairing' }
