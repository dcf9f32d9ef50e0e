import type { QrShown, SessionId } from '../../proto/contract.js'
import { explain } from '../../proto/reasons.js'
import type { Clock } from '../../runtime/clock.js'
import type { Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Background } from '../background.js'
import type { BotState } from '../bot-state.js'
import type { LiveSession, LiveSessions } from '../sessions/live-sessions.js'
import { type Html, rich, lines } from '../telegram/html.js'
import type { Manner, Talk } from '../telegram/talk.js'
import { TelegramCallError } from '../telegram/telegram-api.js'
import { endedImage, linkedImage, qrImage } from './qr-images.js'

interface Photo {
  chatId: number
  sessionId: SessionId
  /** Null until there was a QR code to show. */
  messageId: number | null
  /** A pairing code is a text; of it only the end is shown. */
  form: 'photo' | 'text'
}

interface Parts {
  state: BotState
  live: LiveSessions
  talk: Talk
  background: Background
  clock: Clock
  log: Logger
  /** How often the countdown moves. */
  countdownMs?: number
}

const columns = 'chat_id AS chatId, session_id AS sessionId, message_id AS messageId, form'

/**
 * The QR codes that hang in chats: each is one photo that is replaced in place by the next code, and at the end by how it
 * ended. The codes themselves are kept nowhere.
 */
export class QrPhotos implements Service {
  /** The code that a photo shows. */
  private readonly shown = new Map<string, string>()
  private readonly busy = new Map<string, { again: boolean }>()
  private countdown: NodeJS.Timeout | undefined

  constructor(private readonly parts: Parts) {}

  start(): Promise<void> {
    this.countdown = setInterval(() => this.syncAll(), this.parts.countdownMs ?? 10_000)
    return Promise.resolve()
  }

  stop(): Promise<void> {
    clearInterval(this.countdown)
    this.shown.clear()
    return Promise.resolve()
  }

  /** Shows the codes of a session in a chat until it is linked, in an existing photo when one is given. */
  show(chatId: number, sessionId: SessionId, messageId: number | null = null): void {
    this.add(chatId, sessionId, messageId, 'photo')
    this.sync(chatId, sessionId)
  }

  /** A text that tells a pairing code: it is replaced by how the pairing ended. */
  awaitPairing(chatId: number, sessionId: SessionId, messageId: number): void {
    this.add(chatId, sessionId, messageId, 'text')
  }

  private add(chatId: number, sessionId: SessionId, messageId: number | null, form: Photo['form']): void {
    const { state, clock, live } = this.parts
    const sql = `INSERT OR REPLACE INTO qr_photos (chat_id, session_id, message_id, form, created_at)
      VALUES (?, ?, ?, ?, ?)`
    state.run(sql, chatId, sessionId, messageId, form, clock())
    this.shown.delete(keyOf({ chatId, sessionId }))
    // It may have been linked before anything could be shown: from the page in the browser, or by itself.
    const session = live.find(sessionId)
    if (session?.status === 'connected') this.statusChanged(session)
  }

  /** Somebody is being shown this session's codes: that it needs a scan is no news. */
  isShown(sessionId: SessionId): boolean {
    return this.photosOf(sessionId).length > 0
  }

  qrChanged({ sessionId }: QrShown): void {
    for (const { chatId } of this.photosOf(sessionId)) this.sync(chatId, sessionId)
  }

  statusChanged(session: LiveSession): void {
    const ended = ['connected', 'stopped', 'logged_out', 'failed'].includes(session.status)
    for (const { chatId } of this.photosOf(session.id)) {
      if (!ended) this.sync(chatId, session.id)
      else this.inTurn(chatId, session.id, (photo) => this.finish(photo, session))
    }
  }

  private syncAll(): void {
    const photos = this.parts.state.all<Photo>(`SELECT ${columns} FROM qr_photos WHERE form = 'photo'`)
    for (const { chatId, sessionId } of photos) this.sync(chatId, sessionId)
  }

  private photosOf(sessionId: SessionId): Photo[] {
    return this.parts.state.all<Photo>(`SELECT ${columns} FROM qr_photos WHERE session_id = ?`, sessionId)
  }

  private sync(chatId: number, sessionId: SessionId): void {
    const busy = this.busy.get(keyOf({ chatId, sessionId }))
    if (busy) busy.again = true
    else this.inTurn(chatId, sessionId, (photo) => this.render(photo))
  }

  /** One thing at a time per photo: two codes at once must not become two photos. */
  private inTurn(chatId: number, sessionId: SessionId, work: (photo: Photo) => Promise<void>): void {
    const { background, log } = this.parts
    const key = keyOf({ chatId, sessionId })
    const before = this.turns.get(key) ?? Promise.resolve()
    const mine = { again: false }
    const turn = before.then(async () => {
      this.busy.set(key, mine)
      const photo = this.find(chatId, sessionId)
      if (photo) await work(photo)
    })
    const settled = turn
      .catch((err: unknown) => log.warn({ err, chat: chatId, session: sessionId }, 'qr.not_shown'))
      .finally(() => {
        this.busy.delete(key)
        if (this.turns.get(key) === settled) this.turns.delete(key)
        if (mine.again) this.sync(chatId, sessionId)
      })
    this.turns.set(key, settled)
    background.run(
      () => settled,
      () => undefined,
    )
  }

  private readonly turns = new Map<string, Promise<void>>()

  private find(chatId: number, sessionId: SessionId): Photo | undefined {
    const sql = `SELECT ${columns} FROM qr_photos WHERE chat_id = ? AND session_id = ?`
    return this.parts.state.get<Photo>(sql, chatId, sessionId)
  }

  private async render(photo: Photo): Promise<void> {
    const { live, talk, state, clock } = this.parts
    const { chatId, sessionId, messageId } = photo
    const session = live.find(sessionId)
    const qr = live.qrOf(sessionId)
    if (!session || !qr || photo.form === 'text') return
    const caption = captionOf(session, qr, clock())
    const key = keyOf(photo)
    if (messageId !== null && this.shown.get(key) === qr.qr) {
      return this.orGiveUp(photo, () => talk.editCaption(chatId, messageId, caption))
    }
    const picture = await qrImage(qr.qr)
    this.shown.set(key, qr.qr)
    if (messageId !== null) return this.orGiveUp(photo, () => talk.editPhoto(chatId, messageId, picture, caption))
    const id = await talk.photo(chatId, picture, caption)
    state.run('UPDATE qr_photos SET message_id = ? WHERE chat_id = ? AND session_id = ?', id, chatId, sessionId)
  }

  private async finish(photo: Photo, session: LiveSession): Promise<void> {
    const { talk } = this.parts
    const { chatId, messageId, form } = photo
    const { picture, text, manner } = endOf(session, messageId === null ? 'text' : form)
    this.forget(photo)
    if (messageId === null) await talk.say(chatId, text, manner)
    else if (form === 'text') await talk.edit(chatId, messageId, text, manner)
    else await talk.editPhoto(chatId, messageId, picture, text, manner)
  }

  /** The photo was deleted from the chat: nobody wants to see it. */
  private async orGiveUp(photo: Photo, edit: () => Promise<void>): Promise<void> {
    try {
      await edit()
    } catch (error) {
      if (!(error instanceof TelegramCallError) || error.passing) throw error
      this.forget(photo)
    }
  }

  private forget(photo: Photo): void {
    const sql = 'DELETE FROM qr_photos WHERE chat_id = ? AND session_id = ?'
    this.parts.state.run(sql, photo.chatId, photo.sessionId)
    this.shown.delete(keyOf(photo))
  }
}

function keyOf({ chatId, sessionId }: Pick<Photo, 'chatId' | 'sessionId'>): string {
  return `${chatId}:${sessionId}`
}

function captionOf({ name }: LiveSession, { expiresAt }: QrShown, now: number): Html {
  const seconds = Math.ceil((expiresAt - now) / 1_000)
  return lines(
    rich`Scan to link <b>${name}</b>: WhatsApp on the phone → Linked devices → Link a device.`,
    seconds > 0 ? rich`This code is good for ${seconds} s; the next one appears here.` : rich`The next code is coming.`,
  )
}

function endOf(session: LiveSession, form: Photo['form']): { picture: Buffer; text: Html; manner: Manner } {
  const { id, name, status, reason, phone, pushName } = session
  if (status === 'connected') {
    const owner = pushName ? rich` (${pushName})` : rich``
    return { picture: linkedImage(), text: rich`✅ <b>${name}</b> is linked as +${phone ?? '?'}${owner}.`, manner: {} }
  }
  const buttons = [[{ text: '🔄 New QR', data: `${form === 'photo' ? 'newqr' : 'qr'}:${id}` }]]
  const why = reason ? explain(reason) : `It is ${status}.`
  return { picture: endedImage(), text: rich`⌛ <b>${name}</b> was not linked. ${why}`, manner: { buttons } }
}
