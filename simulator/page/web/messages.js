import { Collection, Model } from './model.js'
import { define, defineAll, require } from './require.js'
import { line } from './line.js'
import { MsgKey } from './msg-key.js'
import { faultIn } from './faults.js'
import { Chat } from './chats.js'
import { learnAddons } from './addons.js'
import { attributesOf, keyOf } from './wire.js'
import { toServer } from './wid.js'

export class MsgModel extends Model {
  static session = ['mediaData', 'mediaObject', 'isUnsentMedia', 'isNewMsg']

  constructor(attributes) {
    super(attributes)
    if (this.directPath) {
      this.set(
        { mediaData: { mediaStage: this.self === 'out' ? 'RESOLVED' : 'INIT' }, mediaObject: {} },
        { silent: true },
      )
    }
  }

  get isNotification() {
    return this.type === 'gp2'
  }

  unsafe() {
    return this
  }

  /** What a reply says about the message it quotes. */
  msgContextInfo() {
    return {
      quotedMsg: { type: this.type, body: this.body, caption: this.caption },
      quotedStanzaID: this.id.id,
      quotedParticipant: this.author ?? this.from,
    }
  }

  async downloadMedia() {
    this.mediaData.mediaStage = 'FETCHING'
    const { ok } = await fetch(this.directPath, { method: 'HEAD' })
    this.mediaData.mediaStage = ok ? 'RESOLVED' : 'ERROR_MISSING'
  }

  /** Acknowledgements only move forward, however late one arrives; a refusal wins over "waiting". */
  acknowledge(ack) {
    if (ack > this.ack || (ack < 0 && this.ack === 0)) this.set({ ack })
  }
}

class MsgCollection extends Collection {
  async getMessagesById(ids) {
    // WhatsApp hands the key to IndexedDB, whose DataError reaches callers with a minified name.
    if (ids.includes(undefined)) throw Object.assign(new Error('r'), { name: 'r' })
    const messages = await Promise.all(ids.map((id) => this.get(id) ?? loadMessage(MsgKey.fromString(id))))
    return { messages: messages.filter(Boolean) }
  }
}

export const Msg = new MsgCollection(MsgModel)

async function loadMessage(key) {
  const chat = toServer(key.remote)
  const message = await line.ask('message', { chat, id: key.id, fromMe: key.fromMe })
  // Only under the very key it is kept with: the same message has another key in the other addressing.
  return message && keyOf(message).equals(key) ? addMessage(message, { isNew: false }) : undefined
}

/** Adds a message that the server told of; one that is known already is not added again. */
export function addMessage(message, { isNew }) {
  const key = keyOf(message)
  const known = Msg.get(key)
  if (known) return known
  const model = addModel(Chat.ensure(key.remote), new MsgModel({ ...attributesOf(message), isNewMsg: isNew }))
  learnAddons(message)
  return model
}

/** Puts a model into its chat and then into the collection that announces it. */
export function addModel(chat, model) {
  chat.msgs.add(model)
  if (chat.t === undefined || model.t >= chat.t) chat.set({ t: model.t, lastReceivedKey: model.id })
  return Msg.add(model)
}

line.on('message', ({ message, unread }) => {
  const model = addMessage(message, { isNew: true })
  Chat.get(model.id.remote).set({ unreadCount: unread })
})

line.on('ack', ({ message, ack }) => Msg.get(keyOf(message))?.acknowledge(ack))

line.on('edit', ({ message }) => Msg.get(keyOf(message))?.set(editOf(message)))

line.on('revoke', ({ message }) => Msg.get(keyOf(message))?.set(attributesOf(message)))

line.on('deleted', ({ message }) => {
  const model = Msg.get(keyOf(message))
  if (model) removeModel(model)
})

function editOf(message) {
  const { body, caption, latestEditSenderTimestampMs } = attributesOf(message)
  return { latestEditSenderTimestampMs, ...(message.media ? { caption } : { body }) }
}

export function removeModel(model) {
  Chat.get(model.id.remote)?.msgs.remove(model)
  Msg.remove(model)
}

/** The earliest message of a chat that was loaded; seconds alone do not tell which of two was first. */
const earliest = new WeakMap()

async function loadEarlierMsgs({ chat }) {
  await faultIn('history')
  const before = earliest.get(chat) ?? refOf(chat.msgs.first())
  const messages = await line.ask('history', { chat: toServer(chat.id), before })
  if (messages.length > 0) earliest.set(chat, { id: messages[0].id, from: messages[0].from })
  return messages.map((message) => addMessage(message, { isNew: false }))
}

function refOf(model) {
  return model && { id: model.id.id, from: toServer(model.author ?? model.from) }
}

defineAll({
  WAWebChatLoadMessages: { loadEarlierMsgs },
  WAWebMsgReply: { canReplyMsg: (msg) => msg.type !== 'revoked' && !msg.isNotification },
  WAWebQuotedMsgModelUtils: {
    getQuotedMsgObj: (msg) =>
      new MsgModel({
        id: keyOf({
          id: msg.quotedStanzaID,
          chat: toServer(msg.id.remote),
          from: toServer(msg.quotedParticipant),
          fromMe: require('WAWebContactGetters').getIsMe({ id: msg.quotedParticipant }),
        }),
        from: msg.quotedParticipant,
        to: msg.id.remote,
        ack: 0,
        t: msg.t,
        ...msg.quotedMsg,
      }),
  },
})

define('WAWebApiMessageInfoStore', {
  queryMsgInfo: async (key) => line.ask('messageInfo', { chat: toServer(key.remote), id: key.id }),
})
