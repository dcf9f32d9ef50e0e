import { within } from './deadline.js'
import type { Page } from './library.js'
import { pressContinue } from './page/dismiss-onboarding.js'
import { installKit } from './page/install-kit.js'
import { installReceiving } from './page/install-receiving.js'
import { installSending } from './page/install-sending.js'
import type { FoundMessage } from './page/page-types.js'
import * as questions from './page/page-questions.js'
import * as reading from './page/page-reading.js'

/** What the send, receive and pairing paths need of WhatsApp Web. Without one of these no message can be trusted. */
const neededWhenLinked: [string, string][] = [
  ['WAWebCollections', 'Msg.getModelsArray'],
  ['WAWebCollections', 'Chat.getModelsArray'],
  ['WAWebMsgKey', 'newId'],
  ['WAWebWidFactory', 'createWid'],
  ['WAWebSocketModel', 'Socket'],
  ['WAWebSendMsgChatAction', 'addAndSendMsgToChat'],
  ['WAWebFindChatAction', 'findOrCreateLatestChat'],
  ['WAWebQueryExistsJob', 'queryWidExists'],
  ['WAWebUserPrefsMeUser', 'getMaybeMePnUser'],
  ['WAWebApiContact', 'getCurrentLid'],
  ['WAWebChatLoadMessages', 'loadEarlierMsgs'],
]
const neededToPair: [string, string][] = [
  ['WAWebSocketModel', 'Socket'],
  ['WAWebCmd', 'Cmd'],
  ['WAWebConnModel', 'Conn'],
  ['WAWebOfflineHandler', 'OfflineMessageHandler'],
  ['WAWebAltDeviceLinkingApi', ''],
  ['WABase64', ''],
  ['WAWebCompanionRegClientUtils', ''],
  ['WAWebSignalStoreApi', ''],
  ['WAWebUserPrefsInfoStore', ''],
]

/** Questions to the page, each with a deadline. Throws `timeout`, or what the page threw. */
export class PageApi {
  #load = 0

  constructor(
    private readonly page: () => Page,
    private readonly answerMs: number,
  ) {}

  /** Counts the loads of the page: what the page noted before belongs to an earlier one. */
  get load(): number {
    return this.#load
  }

  /** Puts our scripts into a page in which the library's helpers are, before it listens to anything. */
  async install(): Promise<void> {
    this.#load += 1
    await this.#ask(installKit, this.#load, 10_000, 'Preparing the page')
    await this.#ask(installSending, undefined, 10_000, 'Preparing the page')
    await this.#ask(installReceiving, undefined, 10_000, 'Preparing the page')
  }

  health() {
    return this.#ask(questions.readHealth, undefined, 2 * this.answerMs, 'The state of WhatsApp Web')
  }

  async answers(): Promise<void> {
    await within(this.page().evaluate('1'), this.answerMs, 'A sign of life from the page')
  }

  missingWhenLinked() {
    return this.#ask(questions.listMissing, neededWhenLinked, 10_000, 'The check of WhatsApp Web')
  }

  missingToPair() {
    return this.#ask(questions.listMissing, neededToPair, 10_000, 'The check of WhatsApp Web')
  }

  me() {
    return this.#ask(questions.readMe, undefined, 10_000, 'Who is linked')
  }

  refreshQr() {
    return this.#ask(questions.refreshQr, undefined, 10_000, 'A new QR code')
  }

  pressContinue() {
    return this.#ask(pressContinue, undefined, this.answerMs, 'The look for a dialog')
  }

  /** Has the library go on as if WhatsApp Web had said "synced" just now. */
  async repeatSynced(): Promise<void> {
    await within(this.page().evaluate('window.onAppStateHasSyncedEvent?.()'), 40_000, 'Getting ready')
  }

  /** The chat id of a number; empty when it is not on WhatsApp. */
  queryNumber(id: string) {
    return this.#ask(questions.queryNumber, id, 15_000, 'The check of the number')
  }

  lookUpPeople(lids: string[]) {
    return this.#ask(questions.lookUpPeople, lids, 3_000, 'The look-up of numbers')
  }

  chatIsOpen(id: string) {
    return this.#ask(questions.chatIsOpen, id, 5_000, 'The look at the chat')
  }

  readSent(id: string) {
    return this.#ask(questions.readSent, id, this.answerMs, 'The note of the send')
  }

  abandonSend(id: string, attempt: number) {
    return this.#ask(questions.abandonSend, { id, attempt }, this.answerMs, 'The note of the send')
  }

  findMessage(id: string, chatId: string): Promise<FoundMessage | undefined> {
    return this.#ask(questions.findMessage, { id, chatId }, 30_000, 'The search for the message')
  }

  react(id: string, chatId: string, emoji: string, ms: number) {
    return this.#ask(questions.react, { id, chatId, emoji }, ms, 'The reaction')
  }

  chatsSince(seconds: number) {
    return this.#ask(reading.listChatsSince, seconds, 30_000, 'The list of chats')
  }

  messagesSince(chatId: string, seconds: number): Promise<Record<string, unknown>[]> {
    return this.#ask(reading.readMessagesSince, { chatId, seconds }, 45_000, 'The messages of a chat')
  }

  downloadFile(key: string, handle: number, ms: number) {
    return this.#ask(reading.downloadFile, { key, handle }, ms, 'The download')
  }

  readPiece(handle: number, from: number, to: number) {
    return this.#ask(reading.readPiece, { handle, from, to }, 30_000, 'A piece of the file')
  }

  dropFile(handle: number) {
    return this.#ask(reading.dropFile, handle, 5_000, 'Dropping the file')
  }

  async #ask<Argument, Answer>(
    question: (argument: Argument) => Answer,
    argument: Argument,
    ms: number,
    what: string,
  ): Promise<Awaited<Answer>> {
    const asked = this.page().evaluate(question as (given: unknown) => Answer, argument as unknown)
    return within(asked as Promise<Awaited<Answer>>, ms, what)
  }
}
