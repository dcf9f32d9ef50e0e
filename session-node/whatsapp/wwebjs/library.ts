/**
 * whatsapp-web.js is CommonJS, and its types leave out what it keeps to itself: the few inner parts that are replaced
 * here are named in `ClientInternals`.
 */
import wwebjs from 'whatsapp-web.js'

export const { Client, Location, MessageMedia, Poll } = wwebjs

export type LibraryClient = wwebjs.Client
export type GroupNotification = wwebjs.GroupNotification
export type Page = NonNullable<LibraryClient['pupPage']>
export type Browser = NonNullable<LibraryClient['pupBrowser']>
export type LibraryOptions = wwebjs.ClientOptions
export type SendContent = wwebjs.MessageContent
export type SendOptions = wwebjs.MessageSendOptions

export interface ClientInternals {
  inject(): Promise<void>
  attachEventListeners(): Promise<void>
  initWebVersionCache(): Promise<void>
  destroy(): Promise<void>
}
