import { z } from 'zod'
import { operation } from '../http/operation.js'
import { examples, sessionInPath } from '../http/shapes.js'
import { SandboxDisconnect, SandboxPair, SandboxReceive } from './sandbox-requests.js'
import { nothing } from './session-operations.js'

const ofSandbox = {
  method: 'post',
  tag: 'Sandbox',
  scope: 'sessions:write',
  callsNode: true,
  params: z.object({ session: sessionInPath }),
} as const
const codes = ['session_not_found', 'not_a_sandbox', 'session_not_running', 'not_ready'] as const

export const pairSandbox = operation({
  ...ofSandbox,
  id: 'pairSandbox',
  audited: false,
  path: '/api/v1/sessions/{session}/sandbox/pair',
  summary: 'As if a phone had scanned the QR code',
  body: { schema: SandboxPair, optional: true, examples: { phone: { phone: '+15550100' } } },
  codes: [...codes, 'conflict', 'invalid_number'],
  answers: { 204: { description: 'It is linked.' } },
})

export const receiveInSandbox = operation({
  ...ofSandbox,
  id: 'receiveInSandbox',
  audited: false,
  path: '/api/v1/sessions/{session}/sandbox/receive',
  summary: 'As if a contact had sent a message',
  description: 'Type and content as for messages to send; a file as `{base64, mimetype, filename?, caption?}`.',
  idempotent: true,
  body: {
    schema: SandboxReceive,
    examples: {
      text: { from: examples.phone, fromName: 'Anna', type: 'text', text: { body: 'Hello' } },
      image: { from: examples.phone, type: 'image', image: { base64: 'iVBORw0KGgo=', mimetype: 'image/png' } },
    },
  },
  codes: [...codes, 'session_not_connected', 'node_lost'],
  answers: {
    201: {
      description: 'It came in.',
      schema: z.object({ waMessageId: z.string().describe("WhatsApp's id of the message") }),
      examples: { received: { waMessageId: '3EB0D55F45653DDE2FE4AA' } },
    },
  },
})

export const logOutSandbox = operation({
  ...ofSandbox,
  id: 'logOutSandbox',
  audited: false,
  path: '/api/v1/sessions/{session}/sandbox/logout',
  summary: 'As if the number had been unlinked on the phone',
  body: nothing,
  codes,
  answers: { 204: { description: 'It is unlinked.' } },
})

export const disconnectSandbox = operation({
  ...ofSandbox,
  id: 'disconnectSandbox',
  audited: false,
  path: '/api/v1/sessions/{session}/sandbox/disconnect',
  summary: 'The line is down for a while',
  body: { schema: SandboxDisconnect, optional: true, examples: { second: { forMs: 1_000 } } },
  codes: [...codes, 'session_not_connected'],
  answers: { 204: { description: 'The line is down.' } },
})

export const sandboxOperations = [pairSandbox, receiveInSandbox, logOutSandbox, disconnectSandbox]
