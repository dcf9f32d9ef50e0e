import { nullable } from './columns.js'
import { addColumns } from './create.js'

/** The trace of the request that caused an event. */
export class EventTraces1790000000026 extends addColumns('events', (c) => [c.word('trace_id', 32, nullable)]) {
  name = 'EventTraces1790000000026'
}
