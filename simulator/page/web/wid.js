import { defineAll } from './require.js'
import { page } from './state.js'

/** An id of a person, group or channel: `user@server`. Unlike a message key it kept `_serialized` in every build. */
export class Wid {
  constructor(user, server) {
    this.server = server
    this.user = user
    this._serialized = `${user}@${server}`
  }

  toString() {
    return this._serialized
  }

  toJSON() {
    return this._serialized
  }

  toJid() {
    return this._serialized.replace('@c.us', '@s.whatsapp.net')
  }

  equals(other) {
    return other?.toString() === this._serialized
  }

  isUser() {
    return this.server === 'c.us' || this.server === 'lid'
  }

  isLid() {
    return this.server === 'lid'
  }

  isGroup() {
    return this.server === 'g.us'
  }

  isNewsletter() {
    return this.server === 'newsletter'
  }

  isBroadcast() {
    return this.server === 'broadcast'
  }

  isStatus() {
    return this._serialized === 'status@broadcast'
  }
}

export function createWid(id) {
  const match = /^([^@\s]+)@(c\.us|s\.whatsapp\.net|lid|g\.us|newsletter|broadcast)$/.exec(String(id))
  if (!match) throw new Error(`wid error: invalid wid ${String(id)}`)
  return new Wid(match[1], match[2] === 's.whatsapp.net' ? 'c.us' : match[2])
}

/** Phone number ids and their LID siblings, as far as the server has told. */
const lidByPhone = new Map()
const phoneByLid = new Map()

export function learnSiblings(phone, lid) {
  lidByPhone.set(phone, lid)
  phoneByLid.set(lid, phone)
}

/** LIDs whose numbers the page has to go by, and does not tell: as WhatsApp does with people who hide theirs. */
const hidden = new Set()
const lookedUp = new Set()

export function hideNumber(lid) {
  if (!lookedUp.has(lid)) hidden.add(lid)
}

export function showNumber(lid) {
  lookedUp.add(lid)
  hidden.delete(lid)
}

/** The number as the page's own functions tell it. */
export function toldPhoneOf(wid) {
  return hidden.has(wid.toString()) ? undefined : phoneOf(wid)
}

export function lidOf(wid) {
  return wid.isLid() ? wid : toWid(lidByPhone.get(wid.toString()))
}

export function phoneOf(wid) {
  return wid.isLid() ? toWid(phoneByLid.get(wid.toString())) : wid
}

function toWid(id) {
  return id === undefined ? undefined : createWid(id)
}

/** The server speaks of phone numbers only; this page shows them in the addressing of its account. */
export function fromServer(id) {
  const wid = createWid(id)
  return page.addressing === 'lid' && wid.server === 'c.us' ? (lidOf(wid) ?? wid) : wid
}

/** The id that the server knows: an unknown LID stays as it is, for the server to refuse. */
export function toServer(wid) {
  const known = createWid(wid)
  return (phoneOf(known) ?? known).toString()
}

function asUserWidOrThrow(wid) {
  if (!wid?.isUser()) throw new Error(`wid error: ${String(wid)} is no user`)
  return wid
}

defineAll({
  WAWebWidFactory: {
    createWid,
    createUserWid: createWid,
    createWidFromWidLike: createWid,
    asUserWidOrThrow,
  },
  WAWebWidToJid: { widToUserJid: (wid) => wid.toJid(), widToGroupJid: (wid) => wid.toJid() },
  WAWebJidToWid: { userJidToUserWid: createWid, newsletterJidToWid: createWid },
  WAWebApiContact: {
    getCurrentLid: (wid) => lidOf(wid),
    getPhoneNumber: (wid) => toldPhoneOf(wid),
    getAlternateUserWid: (wid) => (wid.isLid() ? toldPhoneOf(wid) : lidOf(wid)),
  },
  WAWebLidMigrationUtils: {
    toPn: (wid) => toldPhoneOf(createWid(wid)),
    toLid: (wid) => lidOf(createWid(wid)),
  },
})
