/** I5: whatever a webhook wants to hear has been accepted by its receiver, or is still owed, or waits as a dead letter. */
import type { SessionId } from '../../proto/contract.js'
import type { EventType } from '../../gateway/events/catalogue/catalogue.js'
import { wants, type WebhookId } from '../../gateway/webhooks/webhook.js'
import type { Rig } from './rig.js'

interface Hook {
  id: WebhookId
  tenant_id: string
  url: string
  events: string
  sessions: string
  status: string
  created_at: string | Date
}

interface Delivery {
  id: string
  webhook_id: string
  event_id: string
  status: string
  due_at: number | null
}

export async function everyEventIsOwed(rig: Rig): Promise<string[]> {
  const { database, sink } = rig
  const hooks = await database.rows<Hook>('SELECT * FROM webhooks')
  if (hooks.length === 0) return []
  const events = await database.rows<Record<'id' | 'tenant_id' | 'session_id' | 'type' | 'body', string> & At>(
    'SELECT id, tenant_id, session_id, type, body, created_at FROM events',
  )
  const deliveries = new Map(
    (await database.rows<Delivery>('SELECT id, webhook_id, event_id, status, due_at FROM deliveries')).map((row) => [
      `${row.webhook_id} ${row.event_id}`,
      row,
    ]),
  )
  const problems: string[] = []
  for (const hook of hooks) {
    const accepted = new Set(taken(sink, new URL(hook.url).pathname))
    const filter = { id: hook.id, events: list(hook.events), sessions: list(hook.sessions) }
    for (const { id, tenant_id, session_id, type, body, created_at } of events) {
      const of = `${type} ${id} for ${hook.id}`
      const delivery = deliveries.get(`${hook.id} ${id}`)
      const event = { type: type as EventType, data: JSON.parse(body), sessionId: session_id as SessionId }
      if (!delivery) {
        // What was paused or disabled at the end may have been so when the event came.
        const listened = hook.status === 'enabled' && time(created_at) > time(hook.created_at)
        if (listened && hook.tenant_id === tenant_id && wants(filter, event))
          problems.push(`I5: nothing is owed of ${of}`)
      } else if (delivery.status === 'succeeded' && sink && !accepted.has(id)) {
        problems.push(`I5: ${of} is called succeeded, and its receiver never took it`)
      } else if (delivery.status === 'pending' && delivery.due_at === null) {
        problems.push(`I5: ${of} waits for nothing`)
      }
    }
  }
  return problems
}

/** With a 2xx, or with an answer that a row wrote by hand. */
function taken(sink: Rig['sink'], path: string): string[] {
  return sink?.at(path).flatMap(({ id, status }) => (status === undefined || status < 300 ? [id] : [])) ?? []
}

interface At {
  created_at: string | Date
}

const list = (json: string) => JSON.parse(json) as string[]
const time = (at: string | Date) => (at instanceof Date ? at.getTime() : Date.parse(`${at.replace(' ', 'T')}Z`))
