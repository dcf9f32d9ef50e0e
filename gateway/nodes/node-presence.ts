import type { NodeId } from '../../proto/contract.js'

/** When a node was last heard on its event stream, by this gateway's clock; undefined: not since the gateway started. */
export interface NodePresence {
  lastHeardAt(nodeId: NodeId): number | undefined
}
