/** A rig with a receiver: webhooks that point to the sink, and contacts that write to sandbox sessions. */
import { type Caught, verified, WebhookCatcher } from '../webhook-catcher.js'
import { until } from '../until.js'
import type { Rig, RigOptions } from './rig.js'
import type { Row } from './row.js'

export interface Hook {
  id: string
  secret: string
  path: string
}

export interface ShownAttempt {
  at: string
  status?: number
  durationMs: number
  error?: string
  answer?: string
}

export interface ShownDelivery {
  id: string
  status: 'pending' | 'succeeded' | 'exhausted' | 'cancelled'
  attempts: ShownAttempt[]
  nextAttemptAt?: string
}

const CONTACT = '+15550009999'

/** `schedule`: DELIVERY_SCHEDULE of the gateways. */
export async function hookedRig(
  { rig: make, afterwards }: Row,
  { schedule, env = () => ({}), ...options }: RigOptions & { schedule?: string } = {},
): Promise<HookedRig> {
  const sink = new WebhookCatcher()
  await sink.start()
  afterwards(() => sink.stop())
  const settings = { WEBHOOK_ALLOW_CIDRS: '127.0.0.1/32', ...(schedule ? { DELIVERY_SCHEDULE: schedule } : {}) }
  const rig = await make({ ...options, env: (name) => ({ ...settings, ...env(name) }) })
  rig.sink = sink
  return new HookedRig(rig, sink)
}

export class HookedRig {
  private readonly secrets = new Map<string, string>()
  /** How far the wall clock of the gateway is ahead. */
  aheadMs = 0

  constructor(
    readonly rig: Rig,
    readonly sink: WebhookCatcher,
  ) {
    // Nobody here takes anything for true that the standardwebhooks package does not.
    sink.check = (caught) => verified(caught, this.secrets.get(caught.path) ?? '', this.aheadMs)
  }

  async hook(path: string, wanted: Record<string, unknown> = {}): Promise<Hook> {
    const body = { url: this.sink.url(path), events: ['message.received'], ...wanted }
    const answer = await this.rig.rest().post('/webhooks', body)
    if (answer.status !== 201) throw new Error(`No webhook: ${answer.status} ${JSON.stringify(answer.body)}`)
    const { id, secret } = answer.body as { id: string; secret: string }
    this.secrets.set(path, secret)
    this.rig.ledger.secrets.add(secret)
    return { id, secret, path }
  }

  /** A contact writes to sessions in turn. What gets no answer is written again, as a new message. */
  async receive(count: number, sessions: readonly string[] = ['one'], concurrency = 10): Promise<void> {
    const { ledger } = this.rig
    ledger.phones.add(CONTACT.slice(1))
    let next = 0
    const worker = async () => {
      while (next < count) {
        const number = next++
        const text = { body: `${ledger.canary} in ${number}` }
        const path = `/sessions/${sessions[number % sessions.length]}/sandbox/receive`
        await until(
          'a contact could write',
          async () => {
            const answer = await this.rig
              .rest()
              .post(path, { from: CONTACT, type: 'text', text })
              .catch(() => undefined)
            return answer !== undefined && answer.status < 300
          },
          { timeoutMs: 60_000 },
        )
      }
    }
    await Promise.all(Array.from({ length: Math.min(concurrency, count) }, worker))
  }

  /** Ids of the events that the webhook is to get, in their order. */
  async owed(types = ['message.received']): Promise<{ id: string; session_id: string }[]> {
    const list = types.map((type) => `'${type}'`).join(', ')
    return this.rig.database.rows(`SELECT id, session_id FROM events WHERE type IN (${list}) ORDER BY place`)
  }

  async deliveries({ id }: Hook, query = ''): Promise<ShownDelivery[]> {
    const { status, body } = await this.rig.rest().get(`/webhooks/${id}/deliveries?limit=500${query}`)
    if (status !== 200) throw new Error(`No deliveries: ${status} ${JSON.stringify(body)}`)
    return body.data as ShownDelivery[]
  }

  /** The only delivery of a webhook, as soon as it looks as wanted. */
  async delivery(
    hook: Hook,
    isWanted: (delivery: ShownDelivery) => boolean,
    timeoutMs = 30_000,
  ): Promise<ShownDelivery> {
    let last: ShownDelivery[] = []
    return until(
      `the delivery to ${hook.path} is as wanted`,
      async () => (last = await this.deliveries(hook)).find(isWanted),
      { timeoutMs, everyMs: 20, seen: () => last },
    )
  }

  async status({ id }: Hook): Promise<string> {
    return String((await this.rig.rest().get(`/webhooks/${id}`)).body.status)
  }

  /** Every event has had its 2xx at this path. */
  async arrived(path: string, timeoutMs = 60_000): Promise<void> {
    let missing = 0
    await until(
      `every event has arrived at ${path}`,
      async () => {
        const accepted = new Set(this.sink.accepted(path))
        missing = (await this.owed()).filter(({ id }) => !accepted.has(id)).length
        return missing === 0
      },
      {
        timeoutMs,
        everyMs: 100,
        seen: () => ({ missing, answers: countBy(this.sink.at(path), ({ status }) => status) }),
      },
    )
  }

  /** The gateway is down for so long, by the clocks of everybody. */
  async laterBy(ms: number): Promise<void> {
    await this.rig.end('gateway-1')
    this.aheadMs += ms
    await this.rig.shiftClock('gateway-1', this.aheadMs)
    await this.rig.launch('gateway-1')
  }
}

export function countBy<Item>(items: readonly Item[], keyOf: (item: Item) => unknown): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const item of items) counts[String(keyOf(item))] = (counts[String(keyOf(item))] ?? 0) + 1
  return counts
}

export const header = ({ headers }: Caught, name: string) => String(headers[name])
