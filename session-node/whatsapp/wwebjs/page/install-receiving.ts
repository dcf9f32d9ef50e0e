import type { Enrichment, Msg, NoticedPeople, PageWindow } from './page-types.js'

declare const window: PageWindow

interface ReactionRow {
  reactionParentKey: { id: string; remote: unknown }
  reactionText?: string
  author?: unknown
  from?: unknown
  id: { fromMe: boolean }
}

interface VoteRow {
  parentMsgKey: { id: string; remote: unknown }
  parentMessage?: Msg | null
  sender: unknown
  selectedOptionLocalIds?: number[]
}

interface CallRow {
  id: string
  peerJid: unknown
  isVideo?: boolean
  isGroup?: boolean
  outgoing?: boolean
}

/**
 * Before the library attaches its listeners. Each message that it reports gets to know who is behind the ids, without a
 * round trip. Reactions, votes and calls are told from here: by the library's way they lose their chat or their names.
 * The library leaves a function alone that is there already.
 */
export function installReceiving(): void {
  const kit = window.__switchboard
  if (!kit) throw new Error('The kit is missing.')
  const helpers = window.WWebJS as PageWindow['WWebJS'] & { enriched?: boolean }
  if (!helpers.enriched) {
    const original = helpers.getMessageModel
    helpers.getMessageModel = (msg) => {
      const switchboard: Enrichment = {
        key: String(msg.id),
        chat: kit.person(msg.id.remote),
        sender: kit.person(msg.author ?? msg.from),
        mentions: (msg.mentionedJidList ?? []).map(kit.person),
      }
      const model = { ...original(msg), switchboard }
      if (msg.type !== 'gp2') return model
      // The library passes on nothing else of a notice about a group.
      const by = kit.person(msg.author)
      const recipients: NoticedPeople = { ...(by.id && { by }), people: (msg.recipients ?? []).map(kit.person) }
      return { ...model, author: by.id, recipients }
    }
    helpers.enriched = true
  }

  window.onReaction ??= (rows: ReactionRow[]) => {
    for (const { reactionParentKey: parent, reactionText, author, from, id } of rows) {
      void window.onSwitchboardEvent({
        kind: 'reaction',
        parentId: parent.id,
        chat: kit.person(parent.remote),
        sender: kit.person(author ?? from),
        emoji: reactionText ?? '',
        fromMe: id.fromMe,
      })
    }
  }

  window.onPollVoteEvent ??= (rows: VoteRow[]) => {
    for (const { parentMsgKey: parent, parentMessage, sender, selectedOptionLocalIds } of rows) {
      const names = (parentMessage ?? kit.loaded(parent.id))?.pollOptions ?? []
      void window.onSwitchboardEvent({
        kind: 'vote',
        parentId: parent.id,
        chat: kit.person(parent.remote),
        sender: kit.person(sender),
        options: (selectedOptionLocalIds ?? []).map(
          (chosen) => names.find(({ localId }) => localId === chosen)?.name ?? `#${chosen + 1}`,
        ),
      })
    }
  }

  window.onIncomingCall ??= ({ id, peerJid, isVideo, isGroup, outgoing }: CallRow) => {
    void window.onSwitchboardEvent({
      kind: 'call',
      id,
      sender: kit.person(peerJid),
      video: isVideo === true,
      group: isGroup === true,
      outgoing: outgoing === true,
    })
  }

  // Nobody listens to these here, and the library asks WhatsApp for the whole chat on each of them.
  const nothing = () => undefined
  window.onChatUnreadCountEvent ??= nothing
  window.onRemoveChatEvent ??= nothing
  window.onArchiveChatEvent ??= nothing
  window.onChangeMessageEvent ??= nothing
}
