import type { AddAndSend, PageWindow, SendRecord } from './page-types.js'

declare const window: PageWindow

/**
 * Lets a message carry the id that was chosen for it. The library spreads `extra` into the message last, so that the
 * marker travels inside the very object: overriding the maker of ids would race with WhatsApp's own traffic. What was
 * dispatched is noted here, because sendMessage's result does not tell a message that went out from one that did not.
 */
export function installSending(): void {
  const kit = window.__switchboard
  if (!kit) throw new Error('The kit is missing.')
  const action = window.require('WAWebSendMsgChatAction') as { addAndSendMsgToChat: AddAndSend & { ours?: boolean } }
  if (action.addAndSendMsgToChat.ours) return
  const original = action.addAndSendMsgToChat
  const hooked: AddAndSend & { ours?: boolean } = function (this: unknown, chat, message) {
    const marker = message.switchboard
    if (!marker) return original.call(this, chat, message)
    delete message.switchboard
    const { id, attempt } = marker
    if ((kit.abandoned.get(id) ?? 0) >= attempt) throw new Error('switchboard: abandoned')
    const Key = window.require('WAWebMsgKey')
    const { from, to } = message
    message.id = new Key({ from, to, id, participant: message.id.participant, selfDir: 'out' })
    const record: SendRecord = { attempt, stage: 'dispatched' }
    kit.sent.delete(id)
    kit.sent.set(id, record)
    for (const oldest of kit.sent.keys()) {
      if (kit.sent.size <= 1_000) break
      kit.sent.delete(oldest)
    }
    const promises = original.call(this, chat, message)
    Promise.resolve(promises[0]).then(
      () => {
        if (record.stage === 'dispatched') record.stage = 'stored'
      },
      (thrown) => {
        if (record.stage === 'server') return
        record.stage = 'error'
        record.error = String(thrown)
      },
    )
    Promise.resolve(promises[1]).then(
      (answer) => {
        record.stage = 'server'
        record.result = answer?.messageSendResult ?? ''
        if (record.result === 'OK' || record.result === '') return
        void window.onSwitchboardEvent({ kind: 'refused', id, chat: kit.person(to), result: record.result })
      },
      (thrown) => {
        record.stage = 'error'
        record.error = String(thrown)
      },
    )
    return promises
  }
  hooked.ours = true
  action.addAndSendMsgToChat = hooked
}
