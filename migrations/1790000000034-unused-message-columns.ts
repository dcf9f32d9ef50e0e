import { nullable } from './columns.js'
import { dropColumns } from './create.js'

/** Nothing was ever written there: what is next for a message follows from its status. */
export class UnusedMessageColumns1790000000034 extends dropColumns('messages', (c) => [
  c.word('operator', 64, nullable),
  c.word('next_action', 32, nullable),
  c.ms('next_action_at', nullable),
]) {
  name = 'UnusedMessageColumns1790000000034'
}
