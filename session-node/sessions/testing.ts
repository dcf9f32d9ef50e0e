/** For tests of what becomes of messages that a node was given. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MessageStatus, OutgoingMessage } from '../../proto/contract.js'
import type { TestNode, TestNodeOptions } from '../testing.js'
import type { SendOutcome, WhatsAppClient } from '../whatsapp/whatsapp-client.js'

/** What the node that is running tells of them. */
export function sendsOf(running: () => TestNode) {
  const reached = (message: OutgoingMessage, status: MessageStatus, reason?: string) =>
    running().event(
      ({ body }) =>
        body.kind === 'message_status' &&
        body.messageId === message.id &&
        body.status === status &&
        (reason === undefined || body.reason === reason),
    )
  const wire = async () => {
    const text = await readFile(join(running().dataDir, 'sandbox', 'wire.log'), 'utf8')
    return text
      .trim()
      .split('\n')
      .filter(Boolean)
      .map((line) => (JSON.parse(line) as { waMessageId: string }).waMessageId)
  }
  const history = async ({ id }: OutgoingMessage) =>
    (await running().events()).flatMap(({ body }) =>
      body.kind === 'message_status' && body.messageId === id ? [[body.status, body.reason]] : [],
    )
  return { reached, wire, history }
}

/** The first send of each life ends as told; the others go the usual way. */
export const firstSend = (instead: (client: WhatsAppClient, message: OutgoingMessage) => Promise<SendOutcome>) => {
  let first = true
  return {
    makeClient: async (
      ...[options, usual]: Parameters<NonNullable<NonNullable<TestNodeOptions['outside']>['makeClient']>>
    ) => {
      const client = await usual(options)
      const send = client.send.bind(client)
      client.send = (message) => {
        if (!first) return send(message)
        first = false
        return instead(Object.assign(Object.create(client) as WhatsAppClient, { send }), message)
      }
      return client
    },
  }
}
