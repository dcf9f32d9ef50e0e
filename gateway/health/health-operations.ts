import { z } from 'zod'
import { operation } from '../http/operation.js'
import { examples } from '../http/shapes.js'

const tag = 'Health'

export const livez = operation({
  id: 'livez',
  method: 'get',
  path: '/livez',
  tag,
  scope: null,
  summary: 'Whether the process answers',
  answers: {
    200: { description: 'It does.', schema: z.object({ status: z.literal('ok') }), examples: { ok: { status: 'ok' } } },
  },
})

const shownReadiness = z
  .object({
    status: z.enum(['ok', 'unavailable', 'stopping']),
    database: z.enum(['ok', 'unavailable']),
    nodes: z.array(z.object({ id: z.string().optional(), reachable: z.boolean() })),
  })
  .meta({ id: 'Readiness' })
export type ShownReadiness = z.output<typeof shownReadiness>
const nodes = [{ id: examples.node, reachable: true }]

export const readyz = operation({
  id: 'readyz',
  method: 'get',
  path: '/readyz',
  tag,
  scope: null,
  summary: 'Whether it can do its work',
  description: 'For that it needs the database. A session node that is away delays messages, and is told here.',
  answers: {
    200: {
      description: 'It can.',
      schema: shownReadiness,
      examples: { ok: { status: 'ok', database: 'ok', nodes } },
    },
    503: {
      description: 'The database does not answer, or the gateway stops.',
      schema: shownReadiness,
      examples: { unavailable: { status: 'unavailable', database: 'unavailable', nodes } },
      headers: z.object({ 'Retry-After': z.string().describe('seconds') }),
    },
  },
})

export const healthOperations = [livez, readyz]
