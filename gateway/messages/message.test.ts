import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type MessageStatus, messageStatuses } from '../../proto/contract.js'
import { type Message, mayMove, moved } from './message.js'
import { preferredWait } from './prefer.js'

const aMessage = (change: Partial<Message> = {}): Message => ({
  ...{ id: 'msg_a', tenantId: 'ten_a', sessionId: 'ses_a', direction: 'out', origin: 'api', chatId: '1@c.us' },
  ...{ content: { type: 'text', text: { body: 'hi' } }, mentions: [], onUnknown: 'resend', status: 'pending' },
  ...{ waMessageId: '3EB0', awaiting: true, offered: true, createdAt: 1 },
  ...change,
})

describe('the status of a message', () => {
  it.each([
    ['pending', 'sent', true],
    ['pending', 'read', true],
    ['pending', 'failed', true],
    ['pending', 'unknown', true],
    ['unknown', 'pending', true],
    ['unknown', 'failed', true],
    ['unknown', 'delivered', true],
    ['sent', 'delivered', true],
    ['sent', 'pending', false],
    ['sent', 'failed', false],
    ['sent', 'unknown', false],
    ['read', 'delivered', false],
    ['played', 'read', false],
    ['failed', 'pending', false],
    ['failed', 'unknown', false],
    ['failed', 'sent', true],
  ] as const)('%s to %s: %s', (from, to, allowed) => {
    expect(mayMove(from, to)).toBe(allowed)
  })

  it('never goes back after an ack, whatever comes in whatever order', () => {
    const order = (status: MessageStatus) => ['sent', 'delivered', 'read', 'played'].indexOf(status)
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...messageStatuses), { maxLength: 12 }), (statuses) => {
        let message = aMessage()
        let best = -1
        statuses.forEach((status, index) => {
          message = moved(message, { status, at: index + 2 }) ?? message
          best = Math.max(best, order(status))
          if (best >= 0) expect(order(message.status)).toBe(best)
        })
      }),
    )
  })

  it('knows the times that a later ack implies, and keeps the first of each', () => {
    const read = moved(aMessage(), { status: 'read', at: 5 }) as Message
    expect(read).toMatchObject({ sentAt: 5, deliveredAt: 5, readAt: 5, awaiting: false })
    expect(moved(read, { status: 'played', at: 9 })).toMatchObject({ sentAt: 5, readAt: 5, playedAt: 9 })
  })

  it('drops the reason of what it was before', () => {
    const failed = moved(aMessage(), { status: 'failed', reason: 'expired', error: 'too late', at: 3 }) as Message
    const sent = moved(failed, { status: 'sent', at: 4 }) as Message
    expect(sent).not.toHaveProperty('reason')
    expect(sent).not.toHaveProperty('error')
    expect(moved(sent, { status: 'sent', at: 6 })).toBeNull()
  })
})

describe('Prefer', () => {
  it.each([
    ['wait=10', 10],
    ['WAIT = 5', 5],
    ['respond-async, wait=3; foo', 3],
    ['wait="7"', 7],
    ['wait=99999', 30],
    ['wait=0', 0],
    ['wait=soon', undefined],
    ['await=3', undefined],
    ['', undefined],
  ])('%s means %s', (header, seconds) => {
    expect(preferredWait(header)).toBe(seconds)
  })
})
