/** Session nodes, as operators see them. */
import Router from '@koa/router'
import type { NodeId } from '../../proto/contract.js'
import type { KnownNode, NodeDirectory } from '../../proto/node-directory.js'
import type { ApiRouter, ApiState } from '../http/context.js'
import { handle } from '../http/operation.js'
import type { LostNodes } from './lost-nodes.js'
import { giveUpNode, listNodes, type ShownNode } from './node-operations.js'
import type { NodePresence } from './node-presence.js'

export interface NodeParts {
  directory: Pick<NodeDirectory, 'nodes'>
  presence: NodePresence
  lostNodes: Pick<LostNodes, 'declare' | 'list'>
}

export function nodeRoutes({ directory, presence, lostNodes }: NodeParts): ApiRouter {
  const router = new Router<ApiState>()

  handle(router, listNodes, async (ctx) => {
    const lost = await lostNodes.list()
    const nodes = directory.nodes()
    const shown = nodes.map((node) => ({ ...presentNode(node, presence), ...lostAt(lost, node.info?.id) }))
    const here = new Set(nodes.map(({ info }) => info?.id))
    const gone = [...lost.keys()].filter((id) => !here.has(id))
    ctx.body = { data: [...shown, ...gone.map((id) => ({ id, reachable: false, ...lostAt(lost, id) }))] }
  })

  handle(router, giveUpNode, async (ctx, { params }) => {
    await lostNodes.declare(params.id as NodeId)
    ctx.status = 204
  })

  return router
}

function presentNode({ target, reachable, info }: KnownNode, presence: NodePresence): ShownNode {
  if (!info) return { address: target, reachable }
  const { id, version, capacity, load, draining, engines, eventLog, browserProblem } = info
  const heardAt = presence.lastHeardAt(id)
  return {
    id,
    address: target,
    reachable,
    version,
    capacity,
    load,
    draining,
    engines,
    ...(eventLog === undefined ? {} : { eventLog }),
    ...(browserProblem === undefined ? {} : { browserProblem }),
    ...(heardAt === undefined ? {} : { lastHeardAt: new Date(heardAt).toISOString() }),
  }
}

function lostAt(lost: ReadonlyMap<NodeId, number>, id: NodeId | undefined) {
  const at = id && lost.get(id)
  return at ? { lostAt: new Date(at).toISOString() } : {}
}
