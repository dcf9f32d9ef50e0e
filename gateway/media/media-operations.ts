import { z } from 'zod'
import { mediaLimits, mediaTypes } from '../../proto/contract.js'
import { operation } from '../http/operation.js'
import { pageFields } from '../http/pagination.js'
import { examples, idOf, inPath, pageOf, time } from '../http/shapes.js'

const tag = 'Media'
const params = z.object({ id: inPath('the id of a file', examples.media) })
const mib = (bytes: number) => `${bytes / 2 ** 20} MiB`

export const shownMedia = z
  .object({
    id: idOf('med'),
    mimetype: z.string().describe('seen from the file itself'),
    size: z.number().int().describe('bytes'),
    sha256: z.string().describe('of the content, lower-case hex'),
    filename: z.string().optional(),
    direction: z.enum(['in', 'out']).describe('`in`: of a message that came in'),
    pending: z.literal(true).describe('it is on its session node so far').optional(),
    pendingReason: z
      .string()
      .describe('why it stays there: `media_quota_exceeded` until there is room for it')
      .optional(),
    createdAt: time,
  })
  .meta({ id: 'Media', description: 'A file.' })
export type ShownMedia = z.output<typeof shownMedia>

const exampleMedia: ShownMedia = {
  id: examples.media as ShownMedia['id'],
  mimetype: 'image/jpeg',
  size: 48_213,
  sha256: '5a3f0e8b6c1d2e4f7a9b0c8d6e5f4a3b2c1d0e9f8a7b6c5d4e3f2a1b0c9d8e7f',
  filename: 'receipt.jpg',
  direction: 'out',
  createdAt: examples.time,
}

export const uploadMedia = operation({
  id: 'uploadMedia',
  audited: false,
  method: 'post',
  path: '/api/v1/media',
  tag,
  scope: 'messages:send',
  summary: 'Upload a file',
  description: `To be sent by its id, as often as wanted. What it is, is seen from its first bytes; up to ${mib(mediaLimits.image)} for pictures and sound, ${mib(mediaLimits.document)} for films and all that is sent as a document.`,
  idempotent: true,
  query: z.object({ type: z.enum(mediaTypes).describe('as what it will be sent, if not as what it is').optional() }),
  form: {
    schema: z.object({ file: z.string().meta({ format: 'binary' }).describe('with its name') }),
  },
  codes: [
    'malformed_form',
    'unsupported_content_type',
    'media_too_large',
    'media_unreadable',
    'media_quota_exceeded',
    'storage_full',
    'media_store_unavailable',
  ],
  answers: {
    201: {
      description: 'It is kept.',
      schema: shownMedia,
      examples: { picture: exampleMedia },
      headers: z.object({ Location: z.string().describe('where it is') }),
    },
  },
})

export const listMedia = operation({
  id: 'listMedia',
  method: 'get',
  path: '/api/v1/media',
  tag,
  scope: 'messages:read',
  summary: 'List files, newest first',
  query: z.object({ ...pageFields, direction: z.enum(['in', 'out']).optional() }),
  answers: {
    200: {
      description: 'A page of files.',
      schema: pageOf(shownMedia).meta({ id: 'MediaPage' }),
      examples: { files: { data: [exampleMedia] } },
    },
  },
})

const file = {
  '*/*': { description: 'The file, under its own type; always as a download.' },
}
const fileHeaders = z.object({
  ETag: z.string().describe('the SHA-256 of the whole file'),
  'Accept-Ranges': z.literal('bytes'),
  'Content-Disposition': z.string().describe('`attachment`, with its name'),
})

export const getMedia = operation({
  id: 'getMedia',
  method: 'get',
  path: '/api/v1/media/{id}',
  tag,
  scope: 'messages:read',
  summary: 'Get a file, whole or in part',
  description:
    'With `Range: bytes=…` one part of it; `If-Range` with the `ETag` makes sure that it is a part of the same file. A file that came in and is not here yet is fetched from its session node. The signed URLs in events lead here without a key, until `expires`.',
  params,
  query: z.object({
    expires: z.string().describe('of a signed URL').optional(),
    signature: z.string().describe('of a signed URL').optional(),
  }),
  headers: z.object({
    Range: z.string().optional(),
    'If-Range': z.string().optional(),
    'If-None-Match': z.string().optional(),
  }),
  callsNode: true,
  codes: [
    'media_not_found',
    'media_missing',
    'media_hash_mismatch',
    'media_store_unavailable',
    'range_not_satisfiable',
    'signature_invalid',
    'url_expired',
  ],
  answers: {
    200: { description: 'The whole file.', headers: fileHeaders, otherTypes: file },
    206: {
      description: 'The part that was asked for.',
      headers: fileHeaders.extend({ 'Content-Range': z.string() }),
      otherTypes: file,
    },
    304: { description: '`If-None-Match` has its `ETag`.' },
  },
})

export const deleteMedia = operation({
  id: 'deleteMedia',
  method: 'delete',
  path: '/api/v1/media/{id}',
  tag,
  scope: 'messages:send',
  summary: 'Delete a file',
  description: 'Messages with it stay. What is still to be sent keeps its file: cancel the message first.',
  params,
  callsNode: true,
  codes: ['media_not_found', 'media_in_use', 'media_store_unavailable'],
  answers: { 204: { description: 'It is gone.' } },
})

export const mediaOperations = [uploadMedia, listMedia, getMedia, deleteMedia]
