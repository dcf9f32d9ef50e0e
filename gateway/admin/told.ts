/** Answers of the API, for people. No I/O. */

type Json = Record<string, unknown>

const units: Record<string, string> = {
  sessions: 'sessions',
  messagesPerDay: 'messages a day',
  requestsPerMinute: 'requests a minute',
  mediaBytes: 'bytes',
  webhooks: 'webhooks',
}

/** One line for each thing; a key that was just made stands by itself, to be copied. */
export function told(answer: unknown): string {
  if (answer === undefined) return 'Done.'
  const { data } = answer as { data?: unknown }
  if (Array.isArray(data)) return data.length === 0 ? 'None.' : data.map((item) => line(item as Json)).join('\n')
  const one = answer as Json
  const key = one['key']
  return typeof key === 'string' ? `${line(one)}\n\nThe key, shown this once:\n\n  ${key}` : line(one)
}

function line(item: Json): string {
  return 'limits' in item ? tenantLine(item) : keyLine(item)
}

function tenantLine({ id, name, status, limits }: Json): string {
  const set = Object.entries(limits as Record<string, number | null>)
  const words = set.flatMap(([what, most]) => (most === null ? [] : `${most} ${units[what] ?? what}`))
  return [id, name, status, words.length === 0 ? 'unlimited' : words.join(', ')].join('  ')
}

function keyLine({ id, name, tenant, hint, scopes, sessions, cidrs, expiresAt, lastUsedAt }: Json): string {
  const { name: owner } = tenant as { name: string }
  const list = (items: unknown) => (items as string[]).join(',')
  const limited = [
    ...((sessions as string[]).includes('*') ? [] : [`sessions ${list(sessions)}`]),
    ...((cidrs as string[]).length === 0 ? [] : [`from ${list(cidrs)}`]),
    ...(expiresAt === undefined ? [] : [`until ${String(expiresAt)}`]),
    lastUsedAt === undefined ? 'never used' : `used ${String(lastUsedAt)}`,
  ]
  return [id, owner, name, hint, list(scopes), ...limited].join('  ')
}
