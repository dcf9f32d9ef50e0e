// An event as one line for people: who and what, without the text of messages.

/** @param event what a webhook brought, parsed; undefined when it was not JSON. */
export function describeEvent(event) {
  if (typeof event?.type !== 'string') return 'something that is no event'
  const session = event.session?.name ?? event.session?.id
  const line = [event.type.padEnd(20), session, aboutData(event.data ?? {})].filter(Boolean).join('  ')
  // Whoever can reach the receiver could send what moves the cursor.
  return line.replaceAll(/\p{Cc}/gu, '?')
}

function aboutData(data) {
  const { message, reason } = data
  if (!message) return [reason, data.url, data.status].filter((word) => typeof word === 'string').join(', ')
  const who = message.direction === 'in' ? `from ${message.from ?? '?'}` : `to ${message.to ?? '?'}`
  return [who, aboutContent(message), reason ?? message.reason, message.id].filter(Boolean).join(', ')
}

function aboutContent({ type, [type]: content = {} }) {
  if (typeof content.body === 'string') return `${type} of ${[...content.body].length} characters`
  if (typeof content.size === 'number') return `${type} of ${Math.ceil(content.size / 1024)} KiB`
  return type
}
