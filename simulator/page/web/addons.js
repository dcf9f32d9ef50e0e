import { Collection, Model } from './model.js'
import { defineAll } from './require.js'
import { line } from './line.js'
import { MsgKey } from './msg-key.js'
import { Msg } from './messages.js'
import { keyOf } from './wire.js'
import { myWidFor, page } from './state.js'
import { fromServer, toServer } from './wid.js'

/** Reactions by the message they belong to. */
class ReactionsOfMessage extends Model {
  static session = ['reactions']
}

class ReactionsCollection extends Collection {
  async find(id) {
    return this.get(id) ?? null
  }
}

export const Reactions = new ReactionsCollection(ReactionsOfMessage)

/** Votes by poll, one for each person: a later one replaces the earlier. */
const votes = new Map()

const reactionTableMode = {
  async bulkUpsert(rows) {
    for (const row of rows) keepReaction(row)
  },
}

const pollVoteTableMode = {
  async bulkUpsert(rows) {
    for (const row of rows) keepVote(row)
  },
}

function keepReaction(row) {
  const parent = row.reactionParentKey
  const known = Reactions.get(parent) ?? Reactions.add(new ReactionsOfMessage({ id: parent, bySender: new Map() }))
  const sender = row.author ?? row.from
  known.bySender.delete(sender.toString())
  if (row.reactionText !== '') known.bySender.set(sender.toString(), row)
  known.reactions = aggregate([...known.bySender.values()])
  Msg.get(parent)?.set({ hasReaction: known.bySender.size > 0 })
}

function aggregate(rows) {
  const byEmoji = Map.groupBy(rows, ({ reactionText }) => reactionText)
  const groups = [...byEmoji].map(([emoji, senders]) => ({
    id: emoji,
    aggregateEmoji: emoji,
    hasReactionByMe: senders.some(({ id }) => id.fromMe),
    senders: senders.map((row) => ({
      msgKey: row.id,
      parentMsgKey: row.reactionParentKey,
      senderUserJid: (row.author ?? row.from).toString(),
      reactionText: row.reactionText,
      timestamp: row.reactionTimestamp,
      orphan: 0,
      read: row.read,
      ack: row.ack,
    })),
  }))
  return { length: groups.length, serialize: () => groups }
}

function keepVote(row) {
  const parent = row.pollUpdateParentKey.toString()
  if (!votes.has(parent)) votes.set(parent, new Map())
  votes
    .get(parent)
    .set((row.author ?? row.from).toString(), { ...row, parentMsgKey: parent, sender: row.author ?? row.from })
}

/** The row that the page keeps of a reaction or vote: a small message of its own that points at its parent. */
function rowOf(message, from, at) {
  const parentKey = keyOf(message)
  const fromMe = from === page.me.phone.toString()
  const sender = fromMe ? myWidFor(parentKey.remote) : fromServer(from)
  const isGroup = parentKey.remote.isGroup()
  const row = {
    id: new MsgKey({
      fromMe,
      remote: parentKey.remote,
      id: `3A${at.toString(16).toUpperCase()}${from.slice(0, 6)}`,
      participant: isGroup ? sender : undefined,
    }),
    from: isGroup && !fromMe ? parentKey.remote : sender,
    ...(isGroup && { author: sender }),
    ack: 2,
    read: false,
  }
  return { parentKey, row }
}

function reactionRow(message, { from, emoji, at }) {
  const { parentKey, row } = rowOf(message, from, at)
  return { ...row, reactionParentKey: parentKey, reactionText: emoji, reactionTimestamp: at, orphan: 0 }
}

function voteRow(message, { from, options, at }) {
  const { parentKey, row } = rowOf(message, from, at)
  const selectedOptionLocalIds = options.map((name) => message.poll.options.indexOf(name))
  return { ...row, pollUpdateParentKey: parentKey, selectedOptionLocalIds, t: at, senderTimestampMs: at }
}

/** Takes in what people have said to a message that is being loaded, without announcing it. */
export function learnAddons(message) {
  for (const reaction of message.reactions ?? []) keepReaction(reactionRow(message, reaction))
  for (const vote of message.votes ?? []) keepVote(voteRow(message, vote))
}

// Through the exported object each time, because whatsapp-web.js hears of both by replacing `bulkUpsert`.
line.on('reaction', ({ message, reaction }) => reactionTableMode.bulkUpsert([reactionRow(message, reaction)]))
line.on('vote', ({ message, vote }) => pollVoteTableMode.bulkUpsert([voteRow(message, vote)]))

const whichMessage = (msg) => ({
  chat: toServer(msg.id.remote),
  id: msg.id.id,
  from: toServer(msg.author ?? msg.from),
})

async function sendReactionToMsg(msg, emoji) {
  const { message, reaction } = await line.ask('react', { ...whichMessage(msg), emoji: emoji ?? '' })
  await reactionTableMode.bulkUpsert([reactionRow(message, reaction)])
}

async function sendVote(msg, localIds) {
  const options = msg.pollOptions.filter(({ localId }) => localIds.has(localId)).map(({ name }) => name)
  const { message, vote } = await line.ask('vote', { ...whichMessage(msg), options })
  await pollVoteTableMode.bulkUpsert([voteRow(message, vote)])
}

defineAll({
  WAWebAddonReactionTableMode: { reactionTableMode },
  WAWebAddonPollVoteTableMode: { pollVoteTableMode },
  WAWebSendReactionMsgAction: { sendReactionToMsg },
  WAWebPollsSendVoteMsgAction: { sendVote },
  WAWebPollsVotesSchema: {
    getTable: () => ({ equals: async (_columns, parent) => [...(votes.get(parent)?.values() ?? [])] }),
  },
})
