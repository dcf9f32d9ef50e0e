/** Session nodes, as operators see them. */
import Router from '@koa/router'
import type { KnownNode, NodeDirectory } from '../../proto/node-directory.js'
import { allow } from '../http/authenticate.js'
import type { ApiRouter, ApiState } from '../http/context.js'
import type { NodePresence } from './node-presence.js'

export function nodeRoutes(directory: Pick<NodeDirectory, 'nodes'>, presence: NodePresence): ApiRouter {
  const router = new Router<ApiState>({ prefix: '/api/v1' })
  router.get('/nodes', allow('admin'), (ctx) => {
    ctx.body = { data: directory.nodes().map((node) => presentNode(node, presence)) }
  })
  return router
}

function presentNode({ target, reachable, info }: KnownNode, presence: NodePresence) {
  if (!info) return { address: target, reachable }
  const { id, version, capacity, load, draining, engines, browserProblem } = info
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
    ...(browserProblem === undefined ? {} : { browserProblem }),
    ...(heardAt === undefined ? {} : { lastHeardAt: new Date(heardAt).toISOString() }),
  }
}
