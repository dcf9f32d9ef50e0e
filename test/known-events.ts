/** Whatever a test made happen: each event of it has to be what the catalogue, and so the docs, say. */
import { z } from 'zod'
import { envelopeSchema, type EventType, eventTypes } from '../gateway/events/catalogue/catalogue.js'

const MOST_PAGES = 6
const schemas = new Map(eventTypes.map((type) => [type as string, envelopeSchema(type)]))

/** What is wrong with events of the tenant that is there from the start. Nothing when the gateway cannot be asked any more. */
export async function unknownEvents(get: (path: string) => Promise<Response>): Promise<string[]> {
  const problems = new Map<string, string>()
  let cursor = ''
  for (let page = 0; page < MOST_PAGES; page++) {
    const answer = await get(`/api/v1/events?limit=500${cursor}`).catch(() => undefined)
    if (!answer?.ok) return [...problems.values()]
    const { data, nextCursor } = (await answer.json()) as { data: { type: EventType }[]; nextCursor: string }
    for (const event of data) {
      const problem = problemOf(event)
      if (problem) problems.set(`${event.type} ${problem}`, `${event.type}: ${problem}\n${JSON.stringify(event)}`)
    }
    if (data.length < 500) break
    cursor = `&cursor=${nextCursor}`
  }
  return [...problems.values()]
}

function problemOf(envelope: { type: string }): string | undefined {
  const schema = schemas.get(envelope.type)
  if (!schema) return 'is not a type of event'
  const { error } = schema.safeParse(envelope)
  return error && z.prettifyError(error)
}
