/** All operations of the HTTP API, in the order in which the document shows them. */
import type { Operation } from '../http/operation.js'
import { nodeOperations } from '../nodes/node-operations.js'

export const operations: readonly Operation[] = [...nodeOperations]
