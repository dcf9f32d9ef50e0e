import { dropIndex } from './create.js'

/** Nothing ever looked by it, and each message that was stored paid for it. */
export class NoNextActionIndex1790000000033 extends dropIndex('messages', 'ix_messages_next_action', [
  'next_action_at',
]) {
  name = 'NoNextActionIndex1790000000033'
}
