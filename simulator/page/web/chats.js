import { Collection, Model } from './model.js'
import { defineAll } from './require.js'
import { line } from './line.js'
import { faultIn } from './faults.js'
import { Cmd } from './socket.js'
import { page } from './state.js'
import { Contact, isLookedUp, learnContacts } from './contacts.js'
import { GroupMetadata } from './groups.js'
import { createWid, fromServer, toServer } from './wid.js'

/** The messages of a chat that are in memory, by second; within one second in the order in which they were loaded. */
class MsgsOfChat extends Collection {
  /** The one that was there before all others. */
  first() {
    return super.getModelsArray()[0]
  }

  getModelsArray() {
    return super.getModelsArray().sort((a, b) => a.t - b.t)
  }
}

class ChatModel extends Model {
  static session = ['mute', 'contact', 'groupMetadata', 'msgs']

  get formattedTitle() {
    return this.groupMetadata?.subject ?? this.contact.formattedName
  }

  iAmAdmin() {
    const { participants } = this.groupMetadata
    return (participants.get(page.me.phone) ?? participants.get(page.me.lid))?.isAdmin === true
  }

  /** The keys of its messages stand for the messages: callers ask only whether there are any, and drop them. */
  serialize() {
    return { ...super.serialize(), msgs: this.msgs.map(({ id }) => id.id) }
  }
}

class ChatCollection extends Collection {
  async find(id) {
    return (await findOrCreateLatestChat(createWid(id))).chat
  }

  /** The chat with this id, made if the page had none. */
  ensure(wid) {
    const known = this.get(wid)
    if (known) return known
    const chat = new ChatModel({
      id: wid,
      unreadCount: 0,
      archive: false,
      pin: undefined,
      t: undefined,
      isLocked: false,
      muteExpiration: 0,
      endOfHistoryTransferType: 0,
      labels: [],
      lastReceivedKey: undefined,
      msgs: new MsgsOfChat(),
      groupMetadata: wid.isGroup() ? GroupMetadata.get(wid) : undefined,
      contact: wid.isGroup() ? undefined : Contact.gadd(wid),
    })
    chat.set({ mute: muteOf(chat) })
    return this.add(chat)
  }
}

export const Chat = new ChatCollection(ChatModel)

function muteOf(chat) {
  const mute = {
    expiration: 0,
    mute: async ({ expiration }) => change(expiration),
    unmute: async () => change(0),
  }
  async function change(expiration) {
    mute.expiration = expiration
    chat.set({ muteExpiration: expiration })
    await line.ask('chatFlags', { chat: toServer(chat.id), flags: { muteExpiration: expiration } })
  }
  return mute
}

/** Takes in a chat as the server keeps it; its messages follow. */
export function learnChat({ id, unread, flags }) {
  const chat = Chat.ensure(fromServer(id))
  chat.set({ unreadCount: unread, ...flags }, { silent: true })
  chat.mute.expiration = chat.muteExpiration
  return chat
}

/**
 * The chat with this id, asked of the server unless it is open already: with the line down a new chat waits.
 * A number that is not registered rejects, an unknown group has no chat.
 */
export async function findOrCreateLatestChat(wid) {
  const known = Chat.get(wid) ?? Chat.get(fromServer(toServer(wid)))
  if (known) return { chat: known, created: false }
  if (page.lookupBeforeFirstSend && !isLookedUp(wid)) throw new Error('No LID for user')
  const found = await line.ask('chat', { id: toServer(wid) })
  if (!found) return { chat: undefined, created: false }
  if (found.kind === 'unregistered') throw new Error('No LID for user')
  if (found.kind === 'group') GroupMetadata.learn(found.group)
  else learnContacts([found.contact])
  return { chat: Chat.ensure(fromServer(found.id)), created: true }
}

async function sendSeen({ chat }) {
  await faultIn('seen')
  if (chat.unreadCount === 0) return
  chat.set({ unreadCount: 0 })
  // The receipts go out on their own: a send must not wait for them when the line is down.
  void line.ask('seen', { chat: toServer(chat.id) })
}

line.on('unread', ({ chat, unread }) => Chat.get(fromServer(chat))?.set({ unreadCount: unread }))

function flagCommand(name) {
  return async (chat, value) => {
    const flag = name === 'pin' ? (value ? Math.floor(Date.now() / 1000) : undefined) : value
    chat.set({ [name]: flag })
    await line.ask('chatFlags', { chat: toServer(chat.id), flags: { [name]: flag } })
  }
}

Cmd.archiveChat = flagCommand('archive')
Cmd.pinChat = flagCommand('pin')
Cmd.markChatUnread = async (chat, unread) => void chat.set({ unreadCount: unread ? -1 : 0 })

async function sendDelete(chat) {
  await line.ask('deleteChat', { chat: toServer(chat.id) })
  Chat.remove(chat)
}

async function sendClear(chat) {
  await line.ask('deleteChat', { chat: toServer(chat.id) })
  chat.msgs.clear()
}

const chatState = (state) => async (wid) => void line.ask('typing', { chat: toServer(wid), state })

defineAll({
  WAWebFindChatAction: { findOrCreateLatestChat },
  WAWebUpdateUnreadChatAction: { sendSeen },
  WAWebDeleteChatAction: { sendDelete },
  WAWebChatClearBridge: { sendClear },
  WAWebChatGetters: {
    getIsNewsletter: (chat) => chat.id.isNewsletter(),
    getIsBroadcast: (chat) => chat.id.isBroadcast(),
  },
  WAWebChatStateBridge: {
    sendChatStateComposing: chatState('typing'),
    sendChatStateRecording: chatState('recording'),
    sendChatStatePaused: chatState('paused'),
  },
  WAWebGetEphemeralFieldsMsgActionsUtils: { getEphemeralFields: () => ({}) },
})
