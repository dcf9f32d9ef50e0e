/** How a session's number is linked: QR codes, pairing codes, and the page that shows them. */
import { z } from 'zod'
import { operation } from '../http/operation.js'
import { asset, examples, inPath, sessionInPath, time } from '../http/shapes.js'
import { nothing } from './session-operations.js'
import { PairingCode } from './session-requests.js'

const tag = 'Linking'
const params = z.object({ session: sessionInPath })

export const shownQr = z
  .object({
    qr: z.string().describe('the text of the QR code'),
    image: z.string().describe('a picture of it as a data URL'),
    expiresAt: time,
  })
  .meta({ id: 'QrCode' })
export type ShownQr = z.output<typeof shownQr>
export const exampleQr: ShownQr = {
  qr: '2@k3…,mQ…,wY…',
  image: 'data:image/png;base64,iVBORw0KGgo…',
  expiresAt: examples.time,
}

export const getQr = operation({
  id: 'getQrCode',
  method: 'get',
  path: '/api/v1/sessions/{session}/qr',
  tag,
  scope: 'sessions:write',
  summary: 'Get the QR code to link a number',
  description:
    'In the form that `Accept` asks for. Waits up to 15 s for the QR code of a session that is just starting. QR codes are live only: each new one replaces the last after about 20 s (60 s for the first), and none is stored or logged.',
  callsNode: true,
  params,
  codes: ['session_not_found', 'qr_not_ready', 'qr_not_available', 'already_linked'],
  answers: {
    200: {
      description: 'The QR code as it is now, or all of them as they come.',
      schema: shownQr,
      examples: { qr: exampleQr },
      headers: z.object({ Expires: z.string().describe('of a picture: when it is no longer good').optional() }),
      otherTypes: {
        'image/png': { description: 'a picture' },
        'image/svg+xml': { description: 'a picture' },
        'text/event-stream': {
          description:
            '`event: status` with `{status, reason, detail, phone, pushName}` whenever it changes, `event: qr` with the JSON above for each new code; ends once the number is linked',
          example: 'event: status\ndata: {"status":"qr_pending","reason":"qr_shown"}\n\n',
        },
      },
    },
  },
})

export const createPairingCode = operation({
  id: 'createPairingCode',
  method: 'post',
  path: '/api/v1/sessions/{session}/pairing-code',
  tag,
  scope: 'sessions:write',
  summary: 'Get a code to type on the phone',
  description:
    'Eight characters to type under _Linked devices → Link with phone number instead_. Good for 160 s, and so is its idempotency key.',
  idempotent: true,
  callsNode: true,
  params,
  body: { schema: PairingCode, examples: { phone: { phone: examples.phone } } },
  codes: [
    'invalid_number',
    'session_not_found',
    'session_deleting',
    'already_linked',
    'not_ready',
    'session_not_running',
    'session_not_waiting_for_link',
    'pairing_code_refused',
    'timeout',
  ],
  answers: {
    200: {
      description: 'The code.',
      schema: z.object({ code: z.string(), phone: z.string() }),
      examples: { code: { code: 'K7QX42MD', phone: examples.phone } },
    },
  },
})

export const createLink = operation({
  id: 'createLink',
  method: 'post',
  path: '/api/v1/sessions/{session}/link',
  tag,
  scope: 'sessions:write',
  summary: 'Make a link to a page that shows the QR code',
  description:
    'For the person with the phone: the page shows each QR code live and says when the number is linked. The link is signed, good for a quarter of an hour, opens this session only, and holds no key.',
  params,
  body: nothing,
  codes: ['session_not_found'],
  answers: {
    200: {
      description: 'The link.',
      schema: z.object({ url: z.url(), expiresAt: time }),
      examples: {
        link: {
          url: `https://gateway.example.com/link/${examples.session}?expires=1795467185746&signature=3uQxT8`,
          expiresAt: examples.time,
        },
      },
    },
  },
})

const signed = z.object({
  expires: z.string().meta({ description: 'of the signed link: ms since 1970' }).optional(),
  signature: z.string().meta({ description: 'of the signed link' }).optional(),
})
const bySignature = {
  tag,
  scope: null,
  params: z.object({ session: inPath('the id of a session, as in the signed link', examples.session) }),
  query: signed,
  checksItself: true,
  codes: ['link_not_valid', 'link_expired', 'session_not_found'],
} as const

export const openLinkPage = operation({
  ...bySignature,
  id: 'openLinkPage',
  method: 'get',
  path: '/link/{session}',
  summary: 'The page that shows the QR code',
  description: 'For browsers. What is wrong with a link is told on a page, too.',
  problemsAs: 'text/html',
  answers: { 200: { description: 'The page.', otherTypes: { 'text/html': { description: 'a page' } } } },
})

export const followLinkPage = operation({
  ...bySignature,
  id: 'followLinkPage',
  method: 'get',
  path: '/link/{session}/events',
  summary: 'What the page shows, live',
  answers: {
    200: {
      description: 'Server-sent events.',
      otherTypes: {
        'text/event-stream': {
          description:
            '`event: view` with `{name, status, reason, detail, phone, pushName, image, expiresInMs}` whenever it changes, `event: expired` at the end of the link',
          example: 'event: view\ndata: {"name":"shop","status":"starting"}\n\n',
        },
      },
    },
  },
})

export const startFromLinkPage = operation({
  ...bySignature,
  id: 'startFromLinkPage',
  method: 'post',
  path: '/link/{session}/start',
  summary: 'The button for a new QR code',
  callsNode: true,
  codes: [
    ...bySignature.codes,
    'already_linked',
    'session_deleting',
    'no_node_available',
    'no_capacity',
    'browser_missing',
    'launch_failed',
    'browser_crashed',
  ],
  answers: { 204: { description: 'The session is starting.' } },
})

export const getLinkAsset = operation({
  id: 'getLinkAsset',
  method: 'get',
  path: '/link/assets/{name}',
  tag,
  scope: null,
  summary: 'What the page is made of',
  params: z.object({ name: inPath('the name of a file', 'link.css') }),
  codes: ['not_found'],
  answers: { 200: asset },
})

export const linkingOperations = [
  getQr,
  createPairingCode,
  createLink,
  openLinkPage,
  followLinkPage,
  startFromLinkPage,
  getLinkAsset,
]
