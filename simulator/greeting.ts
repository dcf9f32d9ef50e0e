import { contactOf, type Account } from './accounts.js'
import type { Device } from './device.js'
import { viewOf, type Message } from './message.js'
import type { PageConnection } from './page-connection.js'
import { pageView } from './page-view.js'
import type { Whatsapp } from './whatsapp.js'

interface Greeting {
  identity?: { id: string; secret: string }
  /** The page has its account's chats already: only its connection is new. */
  resumed: boolean
  lineKey: string
}

/** A page says who it is: a linked device gets its account, any other a QR code to show. */
export function greet(whatsapp: Whatsapp, page: PageConnection, { identity, resumed, lineKey }: Greeting) {
  page.lineKey = lineKey
  const device = whatsapp.linking.recognize(identity)
  if (!device) return { kind: 'unlinked', ref: whatsapp.linking.wait(page) }

  const rival = device.page
  page.device = device
  device.attach(page)
  if (rival) rival.write({ push: 'state', state: 'CONFLICT' })
  whatsapp.changes.note()
  if (resumed) {
    const missed = device.takeQueue()
    setImmediate(() => missed.forEach((frame) => page.write(frame)))
  }
  setImmediate(() => whatsapp.post.catchUp(device.account))
  return entrance(whatsapp, device, resumed ? [] : device.takeQueue())
}

/** Everything a page needs to be this device. `waited` is what came while it was off. */
export function entrance({ settings, accounts, groups, holdBack }: Whatsapp, device: Device, waited: unknown[]) {
  const { account } = device
  const late = settings.offlineDelivery === 'after' ? messagesIn(waited) : []
  holdBack(device, late)
  const hidden = new Set(late.map(({ message: { from, id } }) => `${from} ${id}`))
  return {
    kind: 'linked',
    identity: { id: device.id, secret: device.secret },
    state: account.banned ? 'TOS_BLOCK' : 'CONNECTED',
    sync: { mode: settings.syncMode, delayMs: settings.syncDelayMs },
    account: {
      ...contactOf(account),
      addressing: account.addressing ?? settings.addressing,
      contacts: accounts.list().map(contactOf),
      groups: groups.of(account.id).map((group) => groups.forPage(group)),
      chats: chatsOf(account, ({ from, id }) => hidden.has(`${from} ${id}`)),
    },
  }
}

export interface LateMessage {
  push: 'message'
  message: { from: string; id: string }
}

function messagesIn(frames: unknown[]): LateMessage[] {
  return (frames as LateMessage[]).filter(({ push }) => push === 'message')
}

/** The chats with the last message of each, which is all that WhatsApp Web has in memory when it starts. */
function chatsOf(account: Account, isHidden: (message: Message) => boolean) {
  return [...account.chats.values()].map(({ id, unread, flags, messages }) => {
    const shown = messages.filter((message) => !isHidden(message))
    const last = shown.at(-1)
    return { id, unread, flags, messages: last ? [pageView(viewOf(last, account))] : [] }
  })
}
