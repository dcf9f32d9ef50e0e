import { define } from './require.js'
import { Events } from './events.js'
import { line } from './line.js'
import { fromServer } from './wid.js'

/** Calls that ring. whatsapp-web.js looks for a Map among its properties and hears of calls by its `set`. */
class CallCollection extends Events {
  calls = new Map()
}

const collection = new CallCollection()

line.on('call', ({ call }) => {
  collection.calls.set(call.id, {
    id: call.id,
    peerJid: fromServer(call.from),
    isVideo: call.video,
    isGroup: false,
    canHandleLocally: true,
    outgoing: false,
    webClientShouldHandle: true,
    participants: [],
    offerTime: Math.floor(call.at / 1000),
  })
})

line.on('callEnded', ({ id }) => collection.calls.delete(id))

define('WAWebCallCollection', collection)
define('WAWap', {
  generateId: () => crypto.randomUUID(),
  wap: (tag, attributes, content) => ({ tag, attributes, content }),
})
define('WADeprecatedSendIq', {
  deprecatedCastStanza: async ({ tag, content }) => {
    const [child] = content
    if (tag !== 'call' || child.tag !== 'reject') throw new Error(`The simulator knows no stanza ${tag}/${child.tag}`)
    await line.ask('rejectCall', { id: child.attributes['call-id'] })
  },
})
