import { defineAll } from './require.js'
import { line } from './line.js'
import { device } from './device.js'
import { Cmd } from './socket.js'
import { faultIn } from './faults.js'
import { Chat } from './chats.js'
import { Msg, MsgModel, addMessage, addModel, removeModel } from './messages.js'
import { keyOf, toWire } from './wire.js'
import { page } from './state.js'
import { fromServer, toServer } from './wid.js'

/** Messages that are stored here and not yet acknowledged by the server, oldest first, by key. */
const outbox = new Map()

/** What a message model keeps of the object that it is made from; everything else in there stays behind. */
const KEPT =
  `id ack body from to author self t isNewMsg type caption mimetype filename size duration isGif isViewOnce directPath
  filehash encFilehash uploadhash mediaKey mediaKeyTimestamp waveform width height lat lng loc clientUrl vcardList
  vcardFormattedName pollName pollOptions pollSelectableOptionsCount messageSecret mentionedJidList groupMentions quotedMsg
  quotedStanzaID quotedParticipant isForwarded title description canonicalUrl matchedText`.split(/\s+/)

/**
 * Stores a message and hands it over. Returns two promises, as WhatsApp does: the first resolves once the message is
 * stored in this page, the second when the server has answered, with its refusal too.
 */
function addAndSendMsgToChat(chat, message) {
  const type = message.type === 'sticker' ? { mimetype: 'image/webp', ...message } : message
  const entry = { wire: toWire(type), asked: false, tried: false, settle: null }
  const attributes = Object.fromEntries(KEPT.filter((name) => name in type).map((name) => [name, type[name]]))
  const result = new Promise((resolve, reject) => Object.assign(entry, { settle: resolve, fail: reject }))
  const added = store(chat, attributes, entry)
  void added.then(() => handOver(entry))
  // Whoever awaits only the first promise must not see the second fail as unhandled.
  result.catch(() => {})
  return [added.then((model) => faultIn('store').then(() => model)), result]
}

async function store(chat, attributes, entry) {
  const key = attributes.id.toString()
  entry.key = key
  outbox.set(key, entry)
  await device.keep(key, { ...entry.wire, at: Date.now(), key })
  entry.model = Msg.get(key) ?? new MsgModel({ ...attributes, isUnsentMedia: attributes.directPath !== undefined })
  return addModel(chat, entry.model)
}

/** True while it is being found out what the server has got: nothing may overtake what waited. */
let resuming = false

async function handOver(entry) {
  if (!line.isUp || resuming || entry.asked) return
  entry.asked = true
  entry.tried = true
  try {
    settle(entry, await line.ask('send', entry.wire))
  } catch (error) {
    outbox.delete(entry.key)
    await device.drop(entry.key)
    entry.fail(error)
  }
}

function settle(entry, { ack, at }) {
  if (!outbox.delete(entry.key)) return
  void device.drop(entry.key)
  if (ack > 0) entry.model.set({ isUnsentMedia: false })
  entry.model.acknowledge(ack)
  const t = Math.floor(at / 1000)
  entry.settle(ack > 0 ? { messageSendResult: 'OK', t, count: null } : { messageSendResult: 'ERROR_UNKNOWN', t: null })
}

/** After the line was down: what the server has got is settled, the rest goes out, each once and in order. */
async function resume() {
  const tried = [...outbox.values()].filter((entry) => entry.tried)
  resuming = true
  const known = tried.length > 0 ? await line.ask('known', { messages: tried.map(({ wire }) => wire) }) : {}
  resuming = false
  for (const entry of [...outbox.values()].filter(({ model }) => model)) {
    const answer = known[entry.wire.id]
    if (!answer) void handOver(entry)
    else if (answer.ack !== 0) settle(entry, answer)
  }
}

line.on('up', () => void resume())
line.on('down', () => {
  for (const entry of outbox.values()) entry.asked = false
})

/** Brings back what an earlier load of the page had stored and not handed over; it goes out under its own id. */
export async function restoreOutbox() {
  for (const { key, at, ...wire } of await device.waiting()) {
    const found = await line.ask('message', { chat: wire.chat, id: wire.id, fromMe: true })
    if (found) {
      await device.drop(key)
      continue
    }
    if (!(await chatIsOpen(wire.chat))) continue
    const from = page.me.phone.toString()
    const model = addMessage({ ...wire, from, fromMe: true, at, ack: 0 }, { isNew: false })
    const entry = { key, wire, model, asked: false, tried: false, settle() {}, fail() {} }
    outbox.set(keyOf({ ...wire, from, fromMe: true }).toString(), entry)
    void handOver(entry)
  }
}

async function chatIsOpen(chat) {
  return (await Chat.find(fromServer(chat))) !== undefined
}

async function sendMessageEdit(msg, content) {
  const message = await line.ask('edit', { chat: toServer(msg.id.remote), id: msg.id.id, body: content })
  const text = msg.directPath ? { caption: content } : { body: content }
  msg.set({ ...text, latestEditMsgKey: msg.id, latestEditSenderTimestampMs: message.editedAt })
}

Cmd.sendRevokeMsgs = async (chat, { list }) => {
  for (const msg of list) {
    await line.ask('revoke', { chat: toServer(chat.id), id: msg.id.id, from: toServer(msg.author ?? msg.from) })
    msg.set({ type: 'revoked', body: undefined, caption: undefined, protocolMessageKey: msg.id })
  }
}

Cmd.sendDeleteMsgs = async (chat, { list }) => {
  for (const msg of list) {
    await line.ask('deleteForMe', { chat: toServer(chat.id), id: msg.id.id, from: toServer(msg.author ?? msg.from) })
    removeModel(msg)
  }
}

Cmd.sendStarMsgs = async (chat, list) => list.forEach((msg) => msg.set({ star: true }))
Cmd.sendUnstarMsgs = async (chat, list) => list.forEach((msg) => msg.set({ star: false }))

const EDITABLE_FOR_SECONDS = 15 * 60
const canEdit = (msg) => msg.id.fromMe && msg.type !== 'revoked' && Date.now() / 1000 - msg.t < EDITABLE_FOR_SECONDS

defineAll({
  WAWebSendMsgChatAction: { addAndSendMsgToChat },
  WAWebSendMessageEditAction: { sendMessageEdit },
  WAWebMsgActionCapability: {
    canEditText: (msg) => canEdit(msg) && msg.type === 'chat',
    canEditCaption: (msg) => canEdit(msg) && msg.directPath !== undefined,
    canSenderRevokeMsg: (msg) => msg.id.fromMe && msg.type !== 'revoked' && msg.ack > 0,
    canAdminRevokeMsg: (msg) => msg.id.remote.isGroup() && Chat.get(msg.id.remote).iAmAdmin(),
    canStarMsg: (msg) => msg.type !== 'revoked',
  },
  WAWebChatForwardMessage: { forwardMessages },
})

async function forwardMessages({ chat, msgs }) {
  for (const msg of msgs) {
    const id = new (window.require('WAWebMsgKey'))({
      from: page.me.phone,
      to: chat.id,
      id: await window.require('WAWebMsgKey').newId(),
      selfDir: 'out',
    })
    const copy = Object.fromEntries(KEPT.filter((name) => msg[name] !== undefined).map((name) => [name, msg[name]]))
    const own = { id, from: page.me.phone, to: chat.id, self: 'out', ack: 0, isNewMsg: true, isForwarded: true }
    const t = Math.floor(Date.now() / 1000)
    await addAndSendMsgToChat(chat, { ...copy, author: undefined, ...own, t })[0]
  }
}
