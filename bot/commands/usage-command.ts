import { AppError } from '../../runtime/app-error.js'
import type { Usage, UsageAsked } from '../gateway-client.js'
import { type Html, lines, rich } from '../telegram/html.js'
import { words } from './arguments.js'
import type { Command, CommandCall } from './command.js'
import type { CommandParts } from './parts.js'

const DAY_MS = 86_400_000
const DEFAULT_DAYS = 7
const MOST_DAYS = 90
/** More do not fit on a phone. */
const SHOWN = 30

/** What is asked for, and how the answer calls it. */
interface Wanted {
  title: string
  asked: Pick<UsageAsked, 'tenant' | 'session'>
}

export function usageCommand({ sessions, gateway, clock }: CommandParts): Command {
  return {
    name: 'usage',
    usage: '[session|tenant] [days]',
    summary: 'what was sent, received and delivered in the last days',
    run: async (call) => {
      const { reference, days } = read(call.text)
      const to = clock()
      const range = { from: dayOf(to - (days - 1) * DAY_MS), to: dayOf(to) }
      const { title, asked } = await wanted(reference, call)
      const groupBy = asked.session === undefined ? 'session' : 'day'
      const { data, messagesPerDay } = await gateway.usage({ ...asked, ...range, groupBy })
      const period = days === 1 ? `today, ${range.to}` : `the ${days} days to ${range.to}`
      await call.say(
        lines(
          rich`📊 <b>${title}</b>, ${period} (UTC)`,
          ...totals(data),
          asked.tenant !== '*' && messagesPerDay
            ? rich`Today ${messagesPerDay.used} of ${messagesPerDay.limit} messages are used up.`
            : null,
          table(data, groupBy),
        ),
      )
    },
  }

  async function wanted(reference: string | undefined, { chosen }: CommandCall): Promise<Wanted> {
    if (reference === undefined && !chosen) return { title: 'All sessions', asked: { tenant: '*' } }
    try {
      const { id, name, tenantId } = await sessions.find(reference, { chosen })
      return { title: name, asked: { tenant: tenantId, session: id } }
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'not_found' || reference === undefined) throw error
      return unseen(reference)
    }
  }

  /** No node runs such a session: it may be a tenant, or a session whose node is away. */
  async function unseen(reference: string): Promise<Wanted> {
    const [name = '', tenant] = reference.split('/').reverse()
    if (tenant !== undefined) return { title: reference, asked: { tenant, session: name } }
    if (await gateway.hasTenant(reference)) return { title: reference, asked: { tenant: reference } }
    return { title: reference, asked: { session: reference } }
  }
}

/** Reads `[session|tenant] [days]`. Throws `invalid`. */
function read(text: string): { reference: string | undefined; days: number } {
  const given = words(text)
  const last = given.at(-1)
  const isDays = last !== undefined && /^\d{1,3}$/.test(last)
  const days = isDays ? Number(last) : DEFAULT_DAYS
  const [reference, ...others] = isDays ? given.slice(0, -1) : given
  if (others.length > 0 || days < 1 || days > MOST_DAYS) {
    throw new AppError('invalid', `Usage: /usage [session|tenant] [days], with 1 to ${MOST_DAYS} days.`)
  }
  return { reference, days }
}

function totals(data: readonly Usage[]): Html[] {
  if (data.length === 0) return [rich`Nothing.`]
  const sum = (of: (usage: Usage) => number) => data.reduce((total, usage) => total + of(usage), 0)
  const sent = sum(({ messages }) => messages.sent)
  const unknown = sum(({ messages }) => messages.unknown)
  const failed = sum(({ messages }) => messages.failed)
  const { delivered, failedAttempts, exhausted } = {
    delivered: sum(({ webhooks }) => webhooks.delivered),
    failedAttempts: sum(({ webhooks }) => webhooks.failedAttempts),
    exhausted: sum(({ webhooks }) => webhooks.exhausted),
  }
  const bytes = [sum(({ media }) => media.bytesSent), sum(({ media }) => media.bytesReceived)] as const
  return [
    rich`Sent ${sent}, failed ${failed}${unknown > 0 ? `, unknown ${unknown}` : ''}`,
    rich`Received ${sum(({ messages }) => messages.received)}, from the phone ${sum(({ messages }) => messages.fromPhone)}`,
    rich`Files: ${sizeOf(bytes[0])} sent, ${sizeOf(bytes[1])} received`,
    rich`Webhooks: ${delivered} delivered, ${failedAttempts} attempts failed, ${exhausted} given up`,
    rich`Connected ${timeOf(sum(({ connectedSeconds }) => connectedSeconds))}`,
  ]
}

function table(data: readonly Usage[], groupBy: 'day' | 'session'): Html | null {
  // What concerns a tenant as a whole has no messages.
  const found = data.filter(({ day, session }) => (groupBy === 'day' ? day : session))
  const busiest = ({ messages }: Usage) => messages.sent + messages.received
  const rows = groupBy === 'day' ? found : found.toSorted((a, b) => busiest(b) - busiest(a))
  if (rows.length === 0) return null
  // The newest days, the busiest sessions.
  const shown = groupBy === 'day' ? rows.slice(-SHOWN) : rows.slice(0, SHOWN)
  const text = [
    [groupBy, 'sent', 'failed', 'recv'],
    ...shown.map(({ day, session, messages }) => [
      (day?.slice(5) ?? session?.name ?? '').slice(0, 14),
      ...[messages.sent, messages.failed, messages.received].map(String),
    ]),
  ]
  const wide = Math.max(...text.map(([name = '']) => name.length))
  const rowsOf = text.map(([name = '', ...numbers]) => name.padEnd(wide) + numbers.map((n) => n.padStart(7)).join(''))
  const more = rows.length - shown.length
  return lines(rich`<pre>${rowsOf.join('\n')}</pre>`, more > 0 ? rich`… and ${more} more` : null)
}

const dayOf = (ms: number) => new Date(ms).toISOString().slice(0, 10)

function sizeOf(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  const unit = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log10(bytes) / 3))
  const size = bytes / 1_000 ** unit
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit]}`
}

function timeOf(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  const [days, hours] = [Math.floor(minutes / 1_440), Math.floor(minutes / 60) % 24]
  if (days > 0) return `${days} d ${hours} h`
  return hours > 0 ? `${hours} h ${minutes % 60} min` : `${minutes} min`
}
