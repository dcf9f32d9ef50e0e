/** Streams of events over WebSockets, from the request to the goodbye. */
import type { WebSocket } from 'ws'
import { AppError } from '../../runtime/app-error.js'
import { admit, type KeyCheck } from '../http/authenticate.js'
import type { ApiContext } from '../http/context.js'
import { acceptSocket } from '../http/upgrades.js'
import { addressGroup } from '../limits/address-group.js'
import type { EventOpening, OpenedStream } from './event-opening.js'
import { cursorOf } from './event-requests.js'
import { goodbye, keyFrom, refuse, sendItems, type SocketTiming, socketTiming } from './event-socket.js'

export interface EventSocketsOptions {
  opening: EventOpening
  keys: KeyCheck
  timing?: SocketTiming
}

/** Sockets that have not said yet who they are: at this gateway, and from one address. */
const MOST_STRANGERS = 200
const MOST_FROM_ONE = 20

export class EventSockets {
  /** By address. */
  private readonly strangers = new Map<string, number>()

  constructor(private readonly options: EventSocketsOptions) {}

  /** With a key in a header, what is wrong is told before the upgrade, as to all others. */
  async serve(ctx: ApiContext): Promise<void> {
    if (!ctx.state.key) return this.serveStranger(ctx)
    const opened = await this.options.opening.open(ctx)
    try {
      const socket = await acceptSocket(ctx)
      void this.run(ctx, socket, () => Promise.resolve(opened))
    } catch (error) {
      opened.close()
      throw error
    }
  }

  /** A browser's WebSocket has no headers of its own: its key comes in the first message. */
  private async serveStranger(ctx: ApiContext): Promise<void> {
    const leave = this.enter(addressGroup(ctx.ip))
    const { opening, keys, timing = socketTiming } = this.options
    const socket = await acceptSocket(ctx).catch((error: unknown) => {
      leave()
      throw error
    })
    void this.run(ctx, socket, async () => {
      try {
        await admit(ctx, keys, await keyFrom(socket, timing))
      } finally {
        leave()
      }
      return opening.open(ctx)
    })
  }

  /** Counts a stranger until it is called. Throws `unavailable` and `rate_limited` (`too_many_streams`). */
  private enter(address: string): () => void {
    const message = 'Too many sockets wait for their keys.'
    const refused = { reason: 'too_many_streams', retryAfterMs: 5_000 }
    const here = this.strangers.get(address) ?? 0
    if (here >= MOST_FROM_ONE) throw new AppError('rate_limited', message, refused)
    const all = [...this.strangers.values()].reduce((sum, count) => sum + count, 0)
    if (all >= MOST_STRANGERS) throw new AppError('unavailable', message, refused)
    this.strangers.set(address, here + 1)
    return () => {
      const left = (this.strangers.get(address) ?? 1) - 1
      if (left > 0) this.strangers.set(address, left)
      else this.strangers.delete(address)
    }
  }

  /** Nothing can be answered any more: whatever fails closes the socket. */
  private async run(ctx: ApiContext, socket: WebSocket, opening: () => Promise<OpenedStream>): Promise<void> {
    const { timing = socketTiming } = this.options
    const { stopping } = ctx.state
    const stop = () => goodbye(socket)
    stopping.addEventListener('abort', stop)
    // While the socket was opened.
    if (stopping.aborted) stop()
    socket.on('error', (err) => ctx.state.log.info({ err }, 'event_socket.failed'))
    try {
      const { items, signal } = await opening()
      ctx.state.log.info('event_socket.opened')
      await sendItems(socket, items, { cursorOf, signal, timing })
      goodbye(socket)
    } catch (error) {
      if (!stopping.aborted) refuse(socket, error)
      const { code, reason } = error instanceof AppError ? error : { code: 'internal', reason: undefined }
      if (code === 'internal') ctx.state.log.error({ err: error }, 'event_socket.broken')
      else ctx.state.log.info({ reason }, 'event_socket.refused')
    } finally {
      stopping.removeEventListener('abort', stop)
    }
  }
}
