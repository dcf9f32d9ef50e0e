import { require } from './require.js'
import { page } from './state.js'
import { createWid, learnSiblings } from './wid.js'
import { line } from './line.js'
import { device } from './device.js'
import { untilHeard } from './events.js'
import { Conn, Socket, reportOfflineProgress } from './socket.js'
import { acceptLink, waitForLink } from './linking.js'
import { learnContacts } from './contacts.js'
import { Chat, learnChat } from './chats.js'
import { GroupMetadata } from './groups.js'
import { addMessage } from './messages.js'
import { restoreOutbox } from './sending.js'
import './media.js'
import './calls.js'
import './misc.js'
import './screen.js'

if (page.fault === 'throw') throw new Error('The simulator broke this load of the page, as it was told to')
if (page.fault === 'navigate') reloadDuringInject()

window.Debug = { VERSION: page.version }
window.require = require

/** Whether this load of the page has taken in the account's chats already; a line that comes back keeps them. */
let synced = false

async function greet() {
  const identity = await device.identity()
  const answer = await line.greet({ identity, resumed: synced, lineKey: page.lineKey })
  if (answer.kind === 'linked') return enter(answer)
  if (identity) await device.forget()
  waitForLink(answer.ref)
  line.raise()
}

/** Takes the account's place in the page: who we are, its people, groups and chats; then says so. */
async function enter({ account, sync, state }) {
  learnMe(account)
  if (state !== 'CONNECTED') return void Socket.set({ state })
  if (!synced) takeIn(account)
  if (Socket.state !== 'OPENING') Socket.set({ state: 'PAIRING' })
  line.raise()
  Socket.set({ state: 'CONNECTED' })
  if (synced) return
  synced = true
  await restoreOutbox()
  await announceSync(sync)
}

function learnMe({ phone, lid, name, addressing }) {
  learnSiblings(phone, lid)
  page.me = { phone: createWid(phone), lid: createWid(lid), name }
  page.addressing = addressing
  Conn.set({ wid: page.me.phone, pushname: name })
}

function takeIn({ contacts, groups, chats }) {
  learnContacts(contacts)
  for (const group of groups) GroupMetadata.learn(group)
  for (const chat of chats) {
    learnChat(chat)
    for (const message of chat.messages) addMessage(message, { isNew: false })
  }
}

/** `mode` is how the real page goes wrong here: too early to be heard, never, or twice before anyone is ready. */
async function announceSync({ mode, delayMs }) {
  if (mode === 'never') return
  if (mode === 'early') return void Socket.set({ hasSynced: true })
  await untilHeard(Socket, 'change:hasSynced')
  reportOfflineProgress(50)
  if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
  reportOfflineProgress(100)
  if (mode === 'premature') repeatOnceInjected()
  Socket.set({ hasSynced: true })
  // The last thing that whatsapp-web.js listens to; what is announced earlier would pass it by.
  await untilHeard(Chat, 'change:unreadCount')
  await line.ask('synced')
}

/** Says "synced" again the moment whatsapp-web.js has put its helpers in, so that `ready` comes before its listeners. */
function repeatOnceInjected() {
  let helpers
  Object.defineProperty(window, 'WWebJS', {
    configurable: true,
    get: () => helpers,
    set(value) {
      helpers = value
      Object.defineProperty(window, 'WWebJS', { value, writable: true, configurable: true })
      Socket.trigger('change:hasSynced', Socket, true)
    },
  })
}

/** Leaves the page while whatsapp-web.js is putting its first helpers in. */
function reloadDuringInject() {
  Object.defineProperty(window, 'AuthStore', {
    configurable: true,
    set(value) {
      Object.defineProperty(window, 'AuthStore', { value, writable: true, configurable: true })
      location.reload()
    },
  })
}

line.on('linked', async (answer) => {
  line.lower()
  await acceptLink(answer)
  await enter(answer)
})

line.on('state', ({ state }) => {
  if (state === 'CONNECTED') line.raise()
  Socket.set({ state })
})

line.on('lineDown', () => {
  line.lower()
  Socket.set({ state: 'TIMEOUT' })
  Socket.set({ state: 'OPENING' })
})

line.on('lineUp', () => {
  Socket.set({ state: 'PAIRING' })
  line.raise()
  Socket.set({ state: 'CONNECTED' })
})

line.on('reload', () => location.reload())

/** Keeps the page's only thread busy: nothing in it answers meanwhile, and its state stays what it was. */
line.on('freeze', ({ ms }) => {
  const end = Date.now() + ms
  while (Date.now() < end);
})

line.open(greet)
