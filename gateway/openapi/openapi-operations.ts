import { z } from 'zod'
import { operation } from '../http/operation.js'
import { asset, inPath } from '../http/shapes.js'

const tag = 'API description'

export const getOpenApi = operation({
  id: 'getOpenApi',
  method: 'get',
  path: '/api/openapi.json',
  tag,
  scope: null,
  summary: 'The OpenAPI document',
  description: 'OpenAPI 3.1, of the version that answers.',
  answers: {
    200: {
      description: 'The document.',
      schema: z.looseObject({ openapi: z.string() }),
      examples: { document: { openapi: '3.1.0', info: { title: 'Switchboard', version: '1.0.0' } } },
    },
  },
})

export const openDocs = operation({
  id: 'openDocs',
  method: 'get',
  path: '/api/docs',
  tag,
  scope: null,
  summary: 'The document as a page',
  description: 'For browsers: to read, and to try requests out with a key of your own.',
  answers: { 200: { description: 'The page.', otherTypes: { 'text/html': { description: 'a page' } } } },
})

export const getDocsAsset = operation({
  id: 'getDocsAsset',
  method: 'get',
  path: '/api/docs/assets/{name}',
  tag,
  scope: null,
  summary: 'What the page is made of',
  params: z.object({ name: inPath('the name of a file', 'docs.css') }),
  codes: ['not_found'],
  answers: { 200: asset },
})

export const openApiOperations = [getOpenApi, openDocs, getDocsAsset]
