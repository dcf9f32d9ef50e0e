/** Messages in their public shape, with what the rows alone do not say. */
import type { NodeId, SessionId, TenantId } from '../../proto/contract.js'
import type { Session } from '../sessions/session.js'
import { type MediaId, type Message, type StatusChange, storedMediaOf } from './message.js'
import { presentHistory, presentMessage } from './message-presenter.js'

export interface MessageViewsOptions {
  /** Deleted ones too. */
  findSession: (id: SessionId) => Promise<Session | null>
  isNodePresent: (nodeId: NodeId) => boolean
  /** From memory. */
  isSuspended: (tenantId: TenantId) => Promise<boolean>
  /** Which of these files are on their node only. */
  pendingMedia: (ids: readonly MediaId[]) => Promise<ReadonlyMap<MediaId, string | null>>
  mediaUrl: (id: string) => string
}

const MOST_KEPT = 1_000

export class MessageViews {
  // What a message shows of its session (name and place) hardly ever changes.
  private readonly sessions = new Map<SessionId, Pick<Session, 'name' | 'nodeId'>>()

  constructor(private readonly options: MessageViewsOptions) {}

  async one(message: Message, history?: readonly StatusChange[]) {
    const [view] = await this.all([message])
    return history ? { ...view, history: presentHistory(message, history) } : view
  }

  async all(messages: readonly Message[]) {
    const files = messages.flatMap(({ content, direction, origin }) => {
      const id = direction === 'in' || origin !== 'api' ? storedMediaOf(content)?.id : undefined
      return id ? [id] : []
    })
    const pending = files.length > 0 ? await this.options.pendingMedia(files) : new Map<MediaId, string | null>()
    return Promise.all(
      messages.map(async (message) => {
        const { name, nodeId } = await this.session(message.sessionId)
        const id = storedMediaOf(message.content)?.id
        return presentMessage(message, {
          sessionName: name,
          nodePresent: this.options.isNodePresent(nodeId),
          suspended: await this.options.isSuspended(message.tenantId),
          mediaPending: id === undefined ? undefined : pending.get(id),
          mediaUrl: this.options.mediaUrl,
        })
      }),
    )
  }

  private async session(id: SessionId): Promise<Pick<Session, 'name' | 'nodeId'>> {
    const known = this.sessions.get(id)
    // A session whose node is lost moves to another one.
    if (known && this.options.isNodePresent(known.nodeId)) return known
    const found = await this.options.findSession(id)
    const kept = { name: found?.name ?? '', nodeId: found?.nodeId ?? ('' as NodeId) }
    if (this.sessions.size >= MOST_KEPT) this.sessions.clear()
    if (found) this.sessions.set(id, kept)
    return kept
  }
}
