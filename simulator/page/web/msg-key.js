import { define } from './require.js'
import { page } from './state.js'
import { createWid } from './wid.js'

/** The property that holds the key as text. WhatsApp's own minifier renamed it in a later build; both are in use. */
const SERIALIZED = page.keyShape

/** The id of a message: whose it is, in which chat, and the inner id that sender and recipients share. */
export class MsgKey {
  constructor({ from, to, id, participant, selfDir, fromMe, remote }) {
    this.fromMe = fromMe ?? selfDir === 'out'
    this.remote = asWid(remote ?? (this.fromMe ? to : from))
    this.id = id
    if (participant) this.participant = asWid(participant)
    if (selfDir) this.self = selfDir
    const noteToSelf = from !== undefined && to !== undefined && String(from) === String(to)
    const parts = [this.fromMe, this.remote, this.id]
    if (this.participant) parts.push(this.participant)
    if (noteToSelf) parts.push(selfDir)
    this[SERIALIZED] = parts.join('_')
  }

  toString() {
    return this[SERIALIZED]
  }

  equals(other) {
    return other?.toString() === this.toString()
  }

  clone() {
    return MsgKey.fromString(this.toString())
  }

  static fromString(text) {
    const [fromMe, remote, id, participant] = String(text).split('_')
    if (id === undefined) throw new Error(`Not a message key: ${text}`)
    const isWid = participant?.includes('@')
    return new MsgKey({ fromMe: fromMe === 'true', remote, id, participant: isWid ? participant : undefined })
  }

  static async newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(9))
    return `3EB0${[...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('')}`.toUpperCase()
  }
}

function asWid(id) {
  return typeof id === 'string' ? createWid(id) : id
}

define('WAWebMsgKey', MsgKey)
