import { Collection, Model } from './model.js'
import { define, defineAll } from './require.js'
import { line } from './line.js'
import { page } from './state.js'
import { createWid, fromServer, hideNumber, learnSiblings, phoneOf, showNumber, toldPhoneOf, toServer } from './wid.js'

class ContactModel extends Model {
  get formattedName() {
    return this.name ?? this.pushname ?? `+${(phoneOf(this.id) ?? this.id).user}`
  }
}

class ContactCollection extends Collection {
  async find(id) {
    return this.get(id) ?? this.gadd(createWid(id))
  }

  gadd(id) {
    const wid = createWid(id)
    return this.add(
      new ContactModel({ id: wid, isContactBlocked: false, phoneNumber: wid.isLid() ? toldPhoneOf(wid) : undefined }),
    )
  }
}

export const Contact = new ContactCollection(ContactModel)
export const Blocklist = new Collection(Model)

/** Takes in what the server says about people: both their ids and the name they gave themselves. */
export function learnContacts(people) {
  for (const { phone, lid, name, hidesNumber } of people) {
    learnSiblings(phone, lid)
    if (hidesNumber) hideNumber(lid)
    const contact = Contact.gadd(fromServer(phone))
    contact.set({ pushname: name, phoneNumber: contact.id.isLid() ? toldPhoneOf(contact.id) : undefined })
  }
}

line.on('contacts', ({ contacts }) => learnContacts(contacts))

/** Numbers asked for before; with `lookupBeforeFirstSend` a chat with any other number is refused. */
const lookedUp = new Set()

export function isLookedUp(wid) {
  return wid.isLid() || lookedUp.has(toServer(wid))
}

async function queryWidExists(wid) {
  const found = await line.ask('lookup', { id: toServer(wid) })
  if (!found) return null
  showNumber(found.lid)
  learnContacts([found])
  lookedUp.add(found.phone)
  return { wid: fromServer(found.phone), biz: false }
}

const isMe = (contact) => contact.id.equals(page.me?.phone) || contact.id.equals(page.me?.lid)

define('WAWebContactGetters', {
  getIsMe: isMe,
  getIsUser: (contact) => contact.id.isUser(),
  getIsGroup: (contact) => contact.id.isGroup(),
  getIsWAContact: (contact) => contact.id.isUser(),
  getUserid: (contact) => (phoneOf(contact.id) ?? contact.id).user,
  getVerifiedName: () => undefined,
  getVerifiedLevel: () => 0,
  getStatusMute: () => false,
  getName: (contact) => contact.name,
  getShortName: (contact) => contact.name?.split(' ')[0],
  getPushname: (contact) => contact.pushname,
  getIsEnterprise: () => false,
})

defineAll({
  WAWebQueryExistsJob: { queryWidExists },
  WAWebFrontendContactGetters: { getIsMyContact: () => false },
  WAWebUserPrefsMeUser: {
    getMaybeMePnUser: () => page.me?.phone,
    getMaybeMeLidUser: () => page.me?.lid,
    getMeUser: () => page.me?.phone,
  },
  WAWebContactStatusBridge: {
    getStatus: async ({ wid }) => ({ status: await line.ask('about', { id: toServer(wid) }) }),
    setMyStatus: (status) => line.ask('setAbout', { about: status }),
  },
  WAWebSetPushnameConnAction: { setPushname: (name) => line.ask('setName', { name }) },
  WAWebContactProfilePicThumbBridge: { requestProfilePicFromServer: async () => undefined },
  WAWebApiDeviceList: {
    getDeviceIds: (wids) =>
      Promise.all(wids.map(async (wid) => ({ id: wid, devices: await line.ask('devices', { id: toServer(wid) }) }))),
  },
  WAWebPhoneUtils: { formattedPhoneNumber: (jid) => `+${createWid(jid).user}` },
})
