import { operation } from '../http/operation.js'
import { exampleQr, shownQr } from './linking-operations.js'
import { answersSession, startingCodes } from './session-operations.js'
import { exampleSession, shownSession } from './session-presenter.js'
import { InitSession, ShortPath } from './session-requests.js'

const tag = 'Short paths'

export const initSession = operation({
  id: 'initSession',
  method: 'post',
  path: '/api/v1/sessions/init',
  tag,
  scope: 'sessions:write',
  summary: 'Start a session and get its QR code',
  description:
    'Makes the session if there is none, starts it, and waits up to a minute for its QR code. A replay under the same idempotency key starts nothing, and answers with the session and its QR code as they are then.',
  idempotent: true,
  callsNode: true,
  body: { schema: InitSession, optional: true, examples: { one: { session: 'default' } } },
  codes: ['session_not_found', 'session_exists', 'session_limit_reached', 'session_deleting', ...startingCodes],
  answers: {
    200: {
      description: 'The session; without a QR code when it is linked already, or still starting after a minute.',
      schema: shownQr.partial().extend({ session: shownSession }).meta({ id: 'StartedSession' }),
      examples: {
        waits: {
          session: { ...exampleSession, status: 'qr_pending', reason: 'qr_shown', connectedAt: undefined },
          ...exampleQr,
        },
      },
    },
  },
})

export const getSessionShort = operation({
  id: 'getSessionStatus',
  method: 'get',
  path: '/api/v1/sessions/status',
  tag,
  scope: 'sessions:read',
  summary: 'Get the session',
  query: ShortPath,
  codes: ['session_not_found'],
  answers: { 200: answersSession('The session.') },
})

export const disconnectSession = operation({
  id: 'disconnectSession',
  method: 'post',
  path: '/api/v1/sessions/disconnect',
  tag,
  scope: 'sessions:write',
  summary: 'Stop the session',
  description: 'The link stays: `init` brings the session back without a new QR code.',
  idempotent: true,
  callsNode: true,
  body: { schema: ShortPath, optional: true, examples: { one: { session: 'default' } } },
  codes: ['session_not_found', 'session_deleting'],
  answers: { 200: answersSession('The session as it is now.') },
})

export const shortSessionOperations = [initSession, getSessionShort, disconnectSession]
