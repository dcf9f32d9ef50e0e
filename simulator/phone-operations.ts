import type { Account } from './accounts.js'
import { isGroup, newMessageId, sha256, toId } from './ids.js'
import type { ChatSummary, Content, Draft, MediaDraft, MessageView } from './types.js'
import { viewOf } from './message.js'
import type { Whatsapp } from './whatsapp.js'

interface OfPhone {
  number: string
}

interface OfMessage extends OfPhone {
  chat: string
  id: string
  from?: string
}

/** What a person does with their phone. */
export function phoneOperations(whatsapp: Whatsapp) {
  const { accounts, groups, post, linking, calls, changes } = whatsapp

  function chatId(chat: string): string {
    return isGroup(chat) ? groups.get(chat).id : accounts.get(chat).id
  }

  /** The phone and what it means by chat and message. */
  function meant({ number, chat, id, from }: OfMessage) {
    const ref = { chat: chatId(chat), id, ...(from !== undefined && { from: accounts.get(from).id }) }
    return { account: accounts.get(number), ref }
  }

  return {
    phone: ({
      number,
      name,
      receipts,
      addressing,
      hidesNumber,
    }: OfPhone & Partial<Pick<Account, 'name' | 'receipts' | 'addressing' | 'hidesNumber'>>) => {
      const account = accounts.register(number, name, hidesNumber === undefined ? {} : { hidesNumber })
      if (receipts) account.receipts = receipts
      if (addressing) account.addressing = addressing
      changes.note()
      return account.info()
    },

    phones: () => accounts.list().map((account) => account.info()),
    info: ({ number }: OfPhone) => accounts.get(number).info(),
    unregister: ({ number }: OfPhone) => accounts.unregister(number),

    waiting: () => linking.waitingPages(),
    rotateQr: () => linking.rotate(),
    scan: ({ number, qr }: OfPhone & { qr: string }) => void linking.scan(accounts.get(number), qr),
    linkWithCode: ({ number, code }: OfPhone & { code: string }) =>
      void linking.linkWithCode(accounts.get(number), code),
    logout: ({ number }: OfPhone) => {
      for (const device of accounts.get(number).devices) linking.unlink(device, { push: 'logout' })
    },

    send: ({ number, to, draft }: OfPhone & { to: string; draft: Draft }) => {
      const sender = accounts.get(number)
      const chat = chatId(to)
      const taken = { id: draft.id ?? newMessageId(), ...(draft.at !== undefined && { at: draft.at }) }
      const content = whatsapp.complete(sender, { ...contentOf(whatsapp, draft), ...taken, chat })
      const message = post.take(sender, content, null)
      post.deliver(message)
      return viewOf(message, sender)
    },

    edit: ({ body, ...ref }: OfMessage & { body: string }) => {
      const { account, ref: message } = meant(ref)
      post.edit(account, message, body)
    },
    revoke: (ref: OfMessage) => {
      const { account, ref: message } = meant(ref)
      post.revoke(account, message)
    },
    react: ({ emoji, ...ref }: OfMessage & { emoji: string }) => {
      const { account, ref: message } = meant(ref)
      post.react(account, message, emoji)
    },
    vote: ({ options, ...ref }: OfMessage & { options: string[] }) => {
      const { account, ref: message } = meant(ref)
      post.vote(account, message, options)
    },

    /** 2 delivered, 3 read, 4 played: for phones whose receipts are given by hand, and for reading. */
    receipt: ({ level, ...ref }: OfMessage & { level: 2 | 3 | 4 }) => {
      const { account, ref: message } = meant(ref)
      post.receipt(account, post.get(account, message), level)
    },
    read: ({ number, chat, id }: OfPhone & { chat: string; id?: string }) =>
      post.read(accounts.get(number), { chat: chatId(chat), id }),

    online: ({ number }: OfPhone) => {
      const account = accounts.get(number)
      account.online = true
      post.catchUp(account)
      changes.note()
    },
    offline: ({ number }: OfPhone) => {
      accounts.get(number).online = false
      changes.note()
    },

    messages: ({ number, chat }: OfPhone & { chat?: string }): MessageView[] =>
      post.views(accounts.get(number), chat === undefined ? undefined : chatId(chat)),
    /** The latest first. */
    chats: ({ number }: OfPhone) => chatList(whatsapp, accounts.get(number)),
    typing: ({ number, chat }: OfPhone & { chat: string }) => accounts.get(number).typing.get(chatId(chat)) ?? null,

    call: ({ number, to, video }: OfPhone & { to: string; video: boolean }) =>
      calls.ring(accounts.get(number), accounts.get(to), video),
    hangUp: ({ id }: { id: string }) => calls.hangUp(id),
    calls: () => calls.list,

    createGroup: ({ number, subject, members }: OfPhone & { subject: string; members: string[] }) =>
      groups.create(accounts.get(number).id, subject, members),
    groupInfo: ({ id }: { id: string }) => groups.get(id),
    addToGroup: ({ number, id, people }: OfPhone & { id: string; people: string[] }) =>
      groups.add(id, accounts.get(number).id, people),
    removeFromGroup: ({ number, id, people }: OfPhone & { id: string; people: string[] }) =>
      groups.remove(
        id,
        accounts.get(number).id,
        people.map((person) => accounts.get(person).id),
      ),
    promote: ({ number, id, person, admin }: OfPhone & { id: string; person: string; admin: boolean }) =>
      groups.promote(id, accounts.get(number).id, person, admin),
    updateGroup: ({
      number,
      id,
      ...change
    }: OfPhone & { id: string; subject?: string; description?: string; announce?: boolean }) =>
      groups.update(id, accounts.get(number).id, change),
  }
}

function contentOf(whatsapp: Whatsapp, draft: Draft): Content {
  const { type, mentions, forwarded, quoted } = draft
  const shared = {
    type,
    mentions,
    forwarded,
    // Only the id is known here; the post fills in the rest from the message itself.
    quoted: quoted === undefined ? undefined : { id: quoted, from: '', type: 'text' as const },
  }
  switch (draft.type) {
    case 'text':
      return { ...shared, body: draft.body }
    case 'image':
    case 'video':
    case 'document':
      return { ...shared, media: keep(whatsapp, draft.media), body: draft.caption }
    case 'audio':
    case 'voice':
    case 'sticker':
      return { ...shared, media: keep(whatsapp, draft.media) }
    case 'location': {
      const { latitude, longitude, name, address } = draft
      return { ...shared, location: { latitude, longitude, name, address } }
    }
    case 'contacts':
      return { ...shared, contacts: draft.contacts.map(({ name, number }) => ({ name, vcard: vcard(name, number) })) }
    case 'poll':
      return {
        ...shared,
        poll: { question: draft.question, options: draft.options, multiple: draft.multiple ?? false },
      }
  }
}

function keep(whatsapp: Whatsapp, { base64, mimetype, filename, seconds }: MediaDraft) {
  const bytes = Buffer.from(base64, 'base64')
  whatsapp.media.put(bytes)
  return { sha256: sha256(bytes), size: bytes.length, mimetype, filename, seconds }
}

function vcard(name: string, person: string): string {
  const number = toId(person).split('@')[0]
  return `BEGIN:VCARD\nVERSION:3.0\nN:;${name};;;\nFN:${name}\nTEL;type=CELL;waid=${number}:+${number}\nEND:VCARD`
}

/** What the list of chats on a phone shows. */
function chatList({ accounts, groups }: Whatsapp, account: Account): ChatSummary[] {
  const summaries = [...account.chats.values()].map(({ id, unread, messages }) => {
    const last = messages.at(-1)
    const title = isGroup(id) ? groups.get(id).subject : (accounts.find(id)?.name ?? id)
    return { id, title, unread, messages: messages.length, last: last && viewOf(last, account) }
  })
  return summaries.sort((a, b) => (b.last?.at ?? 0) - (a.last?.at ?? 0))
}
