/** What is asked of the WhatsApp of a session that exists: its node answers. */
import { AppError } from '../../runtime/app-error.js'
import { refuseDeleting, type Session } from './session.js'
import type { SessionNode } from './session-node.js'
import type { SessionRepository } from './session-repository.js'

/** All throw `conflict` (`session_deleting`), and `unavailable` when the node is away. */
export class SessionQuestions {
  constructor(
    private readonly node: Pick<SessionNode, 'client'>,
    private readonly repository: Pick<SessionRepository, 'isLinkedElsewhere'>,
  ) {}

  /**
   * Throws `not_ready` unless the session waits for a link, and `conflict` (`already_linked`) when another one has the
   * number: asking for a code could unlink it. Its node knows of its own sessions only.
   */
  async pairingCode(session: Session, phone: string): Promise<string> {
    refuseDeleting(session)
    if (await this.repository.isLinkedElsewhere(phone, session.id)) {
      throw new AppError('conflict', 'Another session has this number already. Log it out first.', {
        reason: 'already_linked',
      })
    }
    const answer = await this.node.client(session.nodeId).call('RequestPairingCode', { sessionId: session.id, phone })
    return answer.code
  }

  /** A PNG. */
  async screenshot(session: Session): Promise<Buffer> {
    refuseDeleting(session)
    const answer = await this.node.client(session.nodeId).call('GetScreenshot', { sessionId: session.id })
    return Buffer.from(answer.png)
  }

  async checkNumber(session: Session, phone: string): Promise<{ onWhatsApp: boolean; chatId: string }> {
    refuseDeleting(session)
    const answer = await this.node.client(session.nodeId).call('CheckNumber', { sessionId: session.id, phone })
    return { onWhatsApp: answer.onWhatsapp, chatId: answer.chatId }
  }
}
