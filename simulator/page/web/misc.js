import { defineAll } from './require.js'
import { line } from './line.js'
import { phoneOf } from './wid.js'
import { Blocklist, Contact } from './contacts.js'
import { Collection, Model } from './model.js'
import { Chat } from './chats.js'
import { GroupMetadata } from './groups.js'
import { Msg } from './messages.js'
import { Reactions } from './addons.js'

const LINK = /\bhttps?:\/\/[^\s<>"]+[^\s<>".,;:!?)]/g

function findLinks(text) {
  return [...(text ?? '').matchAll(LINK)].map(([href]) => ({ href, suspiciousCharacters: new Set() }))
}

const findLink = (text) => findLinks(text)[0] ?? null

/** No page is fetched for a preview: title and address are all it holds. */
async function getLinkPreview({ href }) {
  return { data: { title: new URL(href).hostname, canonicalUrl: href, matchedText: href, description: '' } }
}

function vcardFromContactModel(contact) {
  const name = contact.formattedName
  const number = (phoneOf(contact.id) ?? contact.id).user
  const vcard = `BEGIN:VCARD\nVERSION:3.0\nN:;${name};;;\nFN:${name}\nTEL;type=CELL;waid=${number}:+${number}\nEND:VCARD`
  return { displayName: name, vcard }
}

/** The properties of a vCard, by name without parameters. */
function parseVcard(text) {
  if (!/^BEGIN:VCARD[^]*END:VCARD\s*$/.test(text)) throw new Error('Not a vCard')
  const lines = text.split(/\r?\n/).map((line) => /^([^:;]+)[^:]*:(.*)$/.exec(line))
  return Object.fromEntries(lines.filter(Boolean).map(([, name, value]) => [name.toUpperCase(), value]))
}

class BusinessProfiles extends Collection {
  async find(id) {
    return new Model({ id })
  }
}

defineAll({
  WAWebCollections: {
    Msg,
    Chat,
    Contact,
    GroupMetadata,
    Reactions,
    Blocklist,
    BusinessProfile: new BusinessProfiles(Model),
    Label: new Collection(Model),
  },
  WALinkify: { findLink, findLinks },
  WAWebLinkPreviewChatAction: { getLinkPreview },
  WAWebFrontendVcardUtils: { vcardFromContactModel },
  WAWebVcardParsingUtils: { parseVcard },
  WAWebVcardGetNameFromParsed: { vcardGetNameFromParsed: ({ FN, N }) => FN ?? N },
  WAWebStreamModel: { Stream: { markAvailable() {}, markUnavailable() {} } },
  WAWebPresenceChatAction: {
    sendPresenceAvailable: () => line.ask('presence', { online: true }),
    sendPresenceUnavailable: () => line.ask('presence', { online: false }),
  },
  WAWebSyncGatingUtils: { isPlaceholderMessageResendEnabled: () => false },
  WAWebBackendJobsCommon: { mediaTypeFromProtobuf: () => null },
  WAWebE2EProtoUtils: { typeAttributeFromProtobuf: () => 'text' },
})
