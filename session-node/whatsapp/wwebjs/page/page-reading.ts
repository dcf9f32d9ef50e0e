import type { Enrichment, PageWindow } from './page-types.js'

declare const window: PageWindow

/** Chats in which something happened since then (seconds), the latest first. */
export function listChatsSince(seconds: number): string[] {
  return window
    .require('WAWebCollections')
    .Chat.getModelsArray()
    .filter((chat) => (chat.t ?? 0) >= seconds)
    .sort((a, b) => (b.t ?? 0) - (a.t ?? 0))
    .map((chat) => chat.id._serialized)
}

/** The messages of a chat since then (seconds), oldest first, as the library shows them. */
export async function readMessagesSince({ chatId, seconds }: { chatId: string; seconds: number }) {
  const chat = await window.WWebJS.getChat(chatId, { getAsModel: false })
  if (!chat) return []
  const reaches = () => chat.msgs.getModelsArray().some((msg) => msg.t < seconds)
  // However many there are: what is not read now is lost. Whoever asks has a deadline, and what was loaded stays.
  while (!reaches()) {
    const more = await window.require('WAWebChatLoadMessages').loadEarlierMsgs({ chat })
    if (!more || more.length === 0) break
  }
  const { Reactions } = window.require('WAWebCollections')
  const me = window.require('WAWebUserPrefsMeUser')
  const mine = [me.getMaybeMePnUser()?._serialized, me.getMaybeMeLidUser()?._serialized]
  const kit = window.__switchboard
  const found = chat.msgs
    .getModelsArray()
    .filter((msg) => msg.t >= seconds && !msg.isNotification)
    .sort((a, b) => a.t - b.t)
  return Promise.all(
    found.map(async (msg) => {
      const model = window.WWebJS.getMessageModel(msg)
      if (!msg.hasReaction || !kit || !Reactions) return model
      // Without them the message itself is told all the same.
      const groups = await Reactions.find(String(msg.id))
        .then((kept) => kept?.reactions.serialize() ?? [])
        .catch(() => [])
      const reactions = groups
        .flatMap(({ senders }) => senders)
        .filter(
          ({ senderUserJid, timestamp }) => timestamp >= seconds * 1000 && !mine.includes(kit.text(senderUserJid)),
        )
        .map(({ senderUserJid, reactionText }) => ({ sender: kit.person(senderUserJid), emoji: reactionText }))
      return { ...model, switchboard: { ...(model['switchboard'] as Enrichment), reactions } }
    }),
  )
}

export type Download = { handle: number; size: number } | { missing: string }

/** Fetches and decrypts the file of a message and keeps it in the page until it was read in pieces. */
export async function downloadFile({ key, handle }: { key: string; handle: number }): Promise<Download> {
  const kit = window.__switchboard
  if (!kit) throw new Error('Our scripts are not in the page.')
  const { Msg } = window.require('WAWebCollections')
  const msg = Msg.get(key) ?? (await Msg.getMessagesById([key]))?.messages?.[0]
  if (!msg?.mediaData) return { missing: 'The message is not in WhatsApp Web any more.' }
  if (msg.mediaData.mediaStage === 'REUPLOADING') return { missing: 'The phone has to upload the file again.' }
  if (msg.mediaData.mediaStage !== 'RESOLVED') {
    await msg.downloadMedia({ downloadEvenIfExpensive: true, rmrReason: 1 })
  }
  if (msg.mediaData.mediaStage.includes('ERROR') || msg.mediaData.mediaStage === 'FETCHING') {
    return { missing: 'WhatsApp does not have the file any more.' }
  }
  const nothing: object = { addAnnotations: () => nothing, addPoint: () => nothing }
  try {
    const file = await window.require('WAWebDownloadManager').downloadManager.downloadAndMaybeDecrypt({
      directPath: msg.directPath,
      encFilehash: msg.encFilehash,
      filehash: msg.filehash,
      mediaKey: msg.mediaKey,
      mediaKeyTimestamp: msg.mediaKeyTimestamp,
      type: msg.type,
      signal: new AbortController().signal,
      downloadQpl: nothing,
    })
    kit.files.set(handle, file)
    return { handle, size: file.byteLength }
  } catch (thrown) {
    if ((thrown as { status?: number }).status === 404) return { missing: 'WhatsApp does not have the file any more.' }
    throw thrown
  }
}

export async function readPiece({ handle, from, to }: { handle: number; from: number; to: number }): Promise<string> {
  const file = window.__switchboard?.files.get(handle)
  if (!file) throw new Error('The file is not in the page any more.')
  return window.WWebJS.arrayBufferToBase64Async(file.slice(from, to))
}

export function dropFile(handle: number): void {
  window.__switchboard?.files.delete(handle)
}
