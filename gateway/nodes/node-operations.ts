import { z } from 'zod'
import { engines } from '../../proto/contract.js'
import { operation } from '../http/operation.js'
import { examples, inPath, time } from '../http/shapes.js'

const tag = 'Nodes'

const shownNode = z
  .object({
    id: z.string().optional(),
    address: z.string().describe('where the gateway reaches it').optional(),
    reachable: z.boolean(),
    version: z.string().optional(),
    capacity: z.number().int().describe('sessions that it may run').optional(),
    load: z.number().int().describe('sessions that it runs').optional(),
    draining: z.boolean().describe('it takes no new sessions').optional(),
    engines: z.array(z.enum(engines)).optional(),
    eventLog: z
      .object({ bytes: z.number().int(), maxBytes: z.number().int() })
      .describe('what the gateway has not read yet')
      .optional(),
    browserProblem: z.string().describe('why it cannot start browsers').optional(),
    lastHeardAt: time.optional(),
    lostAt: time.describe('when it was given up').optional(),
  })
  .meta({ id: 'Node', description: 'A session node. Of one that never answered only the address is known.' })
export type ShownNode = z.output<typeof shownNode>

export const listNodes = operation({
  id: 'listNodes',
  method: 'get',
  path: '/api/v1/nodes',
  tag,
  scope: 'admin',
  summary: 'List the session nodes',
  answers: {
    200: {
      description: 'All nodes that are known, and those that were given up.',
      schema: z.object({ data: z.array(shownNode) }),
      examples: {
        nodes: {
          data: [
            {
              id: examples.node,
              address: '127.0.0.1:7471',
              reachable: true,
              version: '0.1.0',
              capacity: 20,
              load: 3,
              draining: false,
              engines: ['wwebjs', 'sandbox'],
              eventLog: { bytes: 0, maxBytes: 1_073_741_824 },
              lastHeardAt: examples.time,
            },
          ] satisfies ShownNode[],
        },
      },
    },
  },
})

export const giveUpNode = operation({
  id: 'giveUpNode',
  method: 'delete',
  path: '/api/v1/nodes/{id}',
  tag,
  scope: 'admin',
  summary: 'Give up a lost session node',
  description:
    'For a node whose disk is lost. Its sessions become `logged_out` (`node_lost`) and are placed on another node by their next start. Messages that it never had stay `pending`; those that it had taken on and not finished become `unknown` (`node_lost`), for a person to decide. May be repeated.',
  params: z.object({ id: inPath('the id of a session node', examples.node) }),
  codes: ['node_not_found', 'node_reachable'],
  answers: { 204: { description: 'It is given up.' } },
})

export const nodeOperations = [listNodes, giveUpNode]
