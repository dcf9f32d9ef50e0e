import { nullable } from './columns.js'
import { addColumns } from './create.js'

/** The trace of the request that a message was made by. */
export class MessageTraces1790000000025 extends addColumns('messages', (c) => [c.word('trace_id', 32, nullable)]) {
  name = 'MessageTraces1790000000025'
}
