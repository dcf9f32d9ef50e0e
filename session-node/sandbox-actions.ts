import type { DriveSandboxRequest } from '../proto/generated/switchboard/v1/DriveSandboxRequest.js'
import { contentFromProto, messageStatusFromProto, present, required } from '../proto/mapping.js'
import type { SandboxAction } from './whatsapp/sandbox-client.js'

/** What a test or an integrator wants of a sandbox's phone and contacts. */
export function actionFromProto(request: DriveSandboxRequest): SandboxAction {
  const action = required(request.action, 'action')
  switch (action) {
    case 'pair':
      return { action, ...present({ phone: required(request.pair, action).phone }) }
    case 'logout':
      return { action }
    case 'receive': {
      const { from, fromName, chatId, content, replyTo, waMessageId } = required(request.receive, action)
      return {
        action,
        from: required(from, 'from'),
        ...present({ fromName, chatId, replyTo, waMessageId }),
        content: contentFromProto(required(content, 'content')),
      }
    }
    case 'disconnect':
      return { action, forMs: required(request.disconnect, action).forMs }
    case 'ack': {
      const { waMessageId, status } = required(request.ack, action)
      return { action, waMessageId: required(waMessageId, 'wa_message_id'), status: messageStatusFromProto(status) }
    }
  }
}
