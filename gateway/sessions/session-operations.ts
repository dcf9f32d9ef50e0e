import { z } from 'zod'
import { type Answer, type JsonBody, operation } from '../http/operation.js'
import { examples, inPath, pageOf, sessionInPath } from '../http/shapes.js'
import { exampleSession, shownSession } from './session-presenter.js'
import { ChangeSession, CreateSession, ListSessions, Nothing } from './session-requests.js'

const tag = 'Sessions'
const params = z.object({ session: sessionInPath })

/** For routes that are asked for without anything more: what comes along must be `{}`. */
export const nothing = { schema: Nothing, optional: true, examples: {} } as const satisfies JsonBody

export const answersSession = (description: string) =>
  ({ description, schema: shownSession, examples: { session: exampleSession } }) satisfies Answer

/** Why a session may not start. */
export const startingCodes = [
  'no_node_available',
  'no_capacity',
  'browser_missing',
  'launch_failed',
  'browser_crashed',
] as const

export const createSession = operation({
  id: 'createSession',
  method: 'post',
  path: '/api/v1/sessions',
  tag,
  scope: 'sessions:write',
  summary: 'Make a session and start it',
  description:
    'A session node is chosen for it and the session is started there, unless `start` is false. To link its number, follow its QR code.',
  idempotent: true,
  callsNode: true,
  body: {
    schema: CreateSession,
    examples: {
      real: { name: 'shop', metadata: { customer: '77' } },
      sandbox: { name: 'try-out', engine: 'sandbox', sandbox: { phone: '+15550100', autoPair: true } },
    },
  },
  codes: ['session_exists', 'session_limit_reached', ...startingCodes],
  answers: {
    201: {
      ...answersSession('It is made, and starting.'),
      headers: z.object({ Location: z.string().describe('where it is') }),
    },
  },
})

export const listSessions = operation({
  id: 'listSessions',
  method: 'get',
  path: '/api/v1/sessions',
  tag,
  scope: 'sessions:read',
  summary: 'List sessions, oldest first',
  query: ListSessions,
  answers: {
    200: {
      description: 'A page of sessions.',
      schema: pageOf(shownSession).meta({ id: 'SessionPage' }),
      examples: { sessions: { data: [exampleSession] } },
    },
  },
})

export const getSession = operation({
  id: 'getSession',
  method: 'get',
  path: '/api/v1/sessions/{session}',
  tag,
  scope: 'sessions:read',
  summary: 'Get a session',
  params,
  codes: ['session_not_found'],
  answers: { 200: answersSession('The session.') },
})

export const changeSession = operation({
  id: 'changeSession',
  method: 'patch',
  path: '/api/v1/sessions/{session}',
  tag,
  scope: 'sessions:write',
  summary: 'Change pacing or metadata',
  description: 'Takes effect without a restart. `"metadata": null` removes it.',
  params,
  body: { schema: ChangeSession, examples: { slower: { pacing: { gapMs: 10_000 } } } },
  codes: ['session_not_found', 'session_deleting', 'node_lost'],
  answers: { 200: answersSession('The session as it is now.') },
})

export const deleteSession = operation({
  id: 'deleteSession',
  method: 'delete',
  path: '/api/v1/sessions/{session}',
  tag,
  scope: 'sessions:write',
  summary: 'Delete a session',
  description:
    'The number is unlinked, here and on the phone, and the browser profile goes from the disk. Its messages stay.',
  params,
  codes: ['session_not_found'],
  answers: {
    202: {
      description: 'Recorded, and done when its session node answers; the name is free only then.',
      schema: shownSession,
      examples: { deleting: { ...exampleSession, status: 'stopped', reason: 'deleting' } },
    },
    204: { description: 'It is deleted.' },
  },
})

const action = <const Name extends string>(name: Name, id: string, summary: string, description: string) =>
  operation({
    id,
    method: 'post',
    path: `/api/v1/sessions/{session}/${name}`,
    tag,
    scope: 'sessions:write',
    summary,
    description,
    idempotent: true,
    callsNode: true,
    params,
    body: nothing,
    codes: ['session_not_found', 'session_deleting', ...startingCodes],
    answers: { 200: answersSession('The session as it is now.') },
  })

export const sessionActions = {
  start: action(
    'start',
    'startSession',
    'Start a session',
    'Answers at once; get the session, or follow its QR code, to see it connect. One that runs stays as it is.',
  ),
  stop: action('stop', 'stopSession', 'Stop a session', 'Ends the browser and keeps the link.'),
  restart: action('restart', 'restartSession', 'Restart a session', 'Ends what runs, and starts it again.'),
  logout: action('logout', 'logOutSession', 'Unlink the number', 'A later start shows a new QR code.'),
}

export const getScreenshot = operation({
  id: 'getScreenshot',
  audited: true,
  method: 'get',
  path: '/api/v1/sessions/{session}/screenshot',
  tag,
  scope: 'sessions:write',
  summary: "Get a picture of the browser's page",
  description: 'For finding faults. A session of the sandbox has none.',
  callsNode: true,
  params,
  codes: ['session_not_found', 'session_deleting', 'session_not_running', 'not_ready', 'not_supported', 'timeout'],
  answers: { 200: { description: 'The picture.', otherTypes: { 'image/png': { description: 'a picture' } } } },
})

export const checkNumber = operation({
  id: 'checkNumber',
  method: 'get',
  path: '/api/v1/sessions/{session}/numbers/{phone}',
  tag,
  scope: 'messages:send',
  summary: 'See whether a number is on WhatsApp',
  description: 'Asks WhatsApp, through this session.',
  callsNode: true,
  params: z.object({ session: sessionInPath, phone: inPath('a phone number', examples.phone) }),
  codes: ['invalid_number', 'session_not_found', 'session_deleting', 'session_not_connected', 'not_ready', 'timeout'],
  answers: {
    200: {
      description: 'What WhatsApp says.',
      schema: z.object({ phone: z.string(), onWhatsapp: z.boolean(), chatId: z.string().optional() }),
      examples: { there: { phone: examples.phone, onWhatsapp: true, chatId: '4915112345678@c.us' } },
    },
  },
})

export const sessionOperations = [
  createSession,
  listSessions,
  getSession,
  changeSession,
  deleteSession,
  ...Object.values(sessionActions),
  getScreenshot,
  checkNumber,
]
