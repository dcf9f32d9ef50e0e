import type { Update } from 'telegraf/types'

/**
 * True for what an operator did, in whatever chat. By numeric id only: names can be taken over, and who writes as a
 * channel or as an anonymous admin of a group is nobody we know.
 */
export function isFromOperator(update: Update, operators: readonly number[]): boolean {
  if ('callback_query' in update) return operators.includes(update.callback_query.from.id)
  if (!('message' in update)) return false
  const { message } = update
  return message.sender_chat === undefined && operators.includes(message.from?.id)
}
