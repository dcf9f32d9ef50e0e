/**
 * A line of the code where a test wants to find the process: with FAULT_POINT=name, or name#3 for the third time, the
 * process stops itself here (SIGSTOP), so that `kill -9` hits exactly this line. Without the variable, as everywhere but
 * in tests, nothing happens.
 */
export function faultPoint(name: FaultPoint): void {
  if (wanted !== name) return
  left -= 1
  if (left === 0) process.kill(process.pid, 'SIGSTOP')
}

export type FaultPoint =
  /** Gateway: the message is stored, the caller has no answer yet. */
  | 'message.stored'
  /** Gateway: the node took the messages on, and the rows do not say so yet. */
  | 'hand_over.answered'
  /** Gateway: events are written, and their transaction is still open. */
  | 'events.written'
  /** Gateway: a receiver has accepted an event, and the delivery does not say so yet. */
  | 'delivery.answered'
  /** Gateway: of a tenant that is being deleted sessions and files are gone, messages are still there. */
  | 'tenant.half_removed'
  /** Gateway: a table is made, and its migration is not recorded yet. */
  | 'migration.unrecorded'
  /** Node: the journal says that the message is on its way, and the page has not been touched. */
  | 'dispatch.journaled'
  /** Node: the page has the message, and the journal does not say so yet. */
  | 'dispatch.sent'
  /** Node: WhatsApp has the message, and the journal does not say so yet. */
  | 'ack.heard'

const [wanted, times = '1'] = (process.env['FAULT_POINT'] ?? '').split('#')
let left = Number(times)
