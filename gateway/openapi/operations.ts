/** All operations of the HTTP API, in the order in which the document shows them. */
import type { Operation } from '../http/operation.js'
import { nodeOperations } from '../nodes/node-operations.js'
import { linkingOperations } from '../sessions/linking-operations.js'
import { sandboxOperations } from '../sessions/sandbox-operations.js'
import { sessionOperations } from '../sessions/session-operations.js'
import { shortSessionOperations } from '../sessions/short-session-operations.js'

export const operations: readonly Operation[] = [
  ...sessionOperations,
  ...linkingOperations,
  ...sandboxOperations,
  ...nodeOperations,
  ...shortSessionOperations,
]
