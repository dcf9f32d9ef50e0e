import type { SessionStatus } from '../../proto/contract.js'
import { explain } from '../../proto/reasons.js'
import { type Html, rich, lines } from '../telegram/html.js'
import type { Button } from '../telegram/talk.js'
import type { LiveSession } from './live-sessions.js'

const signs: Record<SessionStatus, string> = {
  created: '⚪',
  starting: '🟡',
  qr_pending: '🔳',
  connected: '🟢',
  disconnected: '🟠',
  stopped: '⏹',
  logged_out: '🔴',
  failed: '🔴',
}

export const statusWords: Record<SessionStatus, string> = {
  created: 'created',
  starting: 'starting',
  qr_pending: 'waiting for a scan',
  connected: 'connected',
  disconnected: 'disconnected',
  stopped: 'stopped',
  logged_out: 'logged out',
  failed: 'failed',
}

export function sessionLine({ name, status, phone }: Pick<LiveSession, 'name' | 'status' | 'phone'>): Html {
  return rich`${signs[status]} <b>${name}</b> ${statusWords[status]}${phone ? ` · +${phone}` : ''}`
}

/** Everything that an operator may want to know of a session. */
export function sessionDetails(session: LiveSession): Html {
  const { reason, detail, pushName, node, waiting, connectedAt, engine, webVersion, status } = session
  return lines(
    sessionLine(session),
    reason && status !== 'connected' ? rich`${explain(reason)}` : null,
    detail ? rich`<i>${detail}</i>` : null,
    pushName ? rich`Name on WhatsApp: ${pushName}` : null,
    connectedAt && status === 'connected' ? rich`Connected since ${time(connectedAt)}` : null,
    waiting > 0 ? rich`Messages waiting: ${waiting}` : null,
    rich`Node: <code>${node}</code> · engine ${engine}${webVersion ? ` · WhatsApp Web ${webVersion}` : ''}`,
  )
}

/** UTC, because operators sit in several places. */
function time(at: number): string {
  return `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')} UTC`
}

/** What can be done with a session as it stands. */
export function sessionButtons({ id, status }: Pick<LiveSession, 'id' | 'status'>): Button[] {
  const restart = { text: '🔄 Restart', data: `restart:${id}` }
  const stop = { text: '⏹ Stop', data: `stop:${id}` }
  const qr = { text: '🔳 QR', data: `qr:${id}` }
  switch (status) {
    case 'connected':
    case 'disconnected':
    case 'starting':
      return [restart, stop]
    case 'qr_pending':
      return [qr, stop]
    case 'created':
    case 'stopped':
      return [{ text: '▶️ Start', data: `start:${id}` }]
    case 'logged_out':
      return [qr]
    case 'failed':
      return [restart]
  }
}
