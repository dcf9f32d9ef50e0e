import { sha256 } from './ids.js'
import { hashIn } from './media-store.js'
import { ackOf } from './message.js'
import { accountOf, type PageConnection } from './page-connection.js'
import { never, wait } from './pause.js'
import type { MessageRef } from './post.js'
import type { Content, Media } from './types.js'
import type { Whatsapp } from './whatsapp.js'

type SentContent = Omit<Content, 'media'> & { id: string; chat: string; media?: Media & { path: string } }

/** How a linked device hands messages over, and asks after a broken line which of them have arrived. */
export function sendingOperations(whatsapp: Whatsapp) {
  const { post, settings } = whatsapp

  /** The bytes lie in the store since the upload; the message only says where. */
  function withBytes({ media, ...content }: SentContent) {
    if (!media) return content
    const { path, ...described } = media
    const hash = hashIn(path)
    return { ...content, media: { ...described, sha256: hash, size: whatsapp.media.get(hash).length } }
  }

  return {
    async send(page: PageConnection, content: SentContent) {
      const sender = accountOf(page)
      const fault = whatsapp.faults.take('send', sender.number)
      if (fault?.mode === 'fail') throw new Error('The simulator failed this send, as it was told to')
      if (fault?.mode === 'hang') return never()
      if (fault?.mode === 'refuse') return { ack: -1, at: Date.now() }
      if (fault?.mode === 'slow') await wait(fault.delayMs ?? 0)

      const taken = post.take(sender, whatsapp.complete(sender, withBytes(content)), page.device)
      const { id, chat, from, at } = taken
      whatsapp.wireLog.append({ waMessageId: id, from, chat, sha256: fingerprint(taken), at: Date.now() })
      if (fault?.mode === 'noAck') {
        taken.silent = true
        post.deliver(taken)
        return never()
      }
      await wait(settings.serverAckDelayMs)
      // After the answer has gone out, or a quick recipient would have it before the sender has its first ack.
      setImmediate(() => post.deliver(taken))
      return { ack: 1, at }
    },

    /** Which of these messages have arrived here, by their inner id. */
    known(page: PageConnection, { messages }: { messages: MessageRef[] }) {
      const sender = accountOf(page)
      const found = messages.flatMap(({ chat, id }) => post.find(sender, { chat, id, from: sender.id }) ?? [])
      return Object.fromEntries(found.map((taken) => [taken.id, { ack: ackOf(taken), at: taken.at }]))
    },
  }
}

/** The bytes of media, or what else the message says. */
function fingerprint({ media, body, location, contacts, poll }: Content): string {
  if (media) return media.sha256
  return sha256(body ?? JSON.stringify(location ?? contacts ?? poll))
}
