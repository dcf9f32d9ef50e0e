/** Asks for messages to be sent: by many connections at once, or one request after the other. */
import autocannon from 'autocannon'
import { Client } from 'undici'
import { median } from './report.js'

const body = JSON.stringify({ to: '+491510000002', type: 'text', text: { body: 'The quick brown fox.' } })
const pathOf = (session: string) => `/api/v1/sessions/${session}/messages`

export interface Target {
  url: string
  key: string
}

export interface LoadOptions {
  connections: number
  seconds: number
  /** Taken in turns by each connection. */
  sessions: readonly string[]
}

export interface LoadResult {
  /** Answers 202. */
  accepted: number
  p50: number
  p99: number
  /** What else was answered, in words; empty when nothing was. */
  trouble: string
}

export async function load({ url, key }: Target, { connections, seconds, sessions }: LoadOptions): Promise<LoadResult> {
  let begin = 0
  const { latency, non2xx, errors, statusCodeStats, ...result } = await autocannon({
    url,
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body,
    connections,
    duration: seconds,
    setupClient: (client) => {
      // Each begins with another session.
      const from = begin++ % sessions.length
      const order = [...sessions.slice(from), ...sessions.slice(0, from)]
      client.setRequests(order.map((session) => ({ path: pathOf(session) })))
    },
  })
  return {
    accepted: result['2xx'],
    p50: latency.p50,
    p99: latency.p99,
    trouble: non2xx + errors > 0 ? `${JSON.stringify(statusCodeStats)}, ${errors} errors` : '',
  }
}

/** Median time of a request, in ms, while nothing else is asked for. */
export async function loneRequests({ url, key }: Target, session: string, count: number): Promise<number> {
  const client = new Client(url)
  const times: number[] = []
  try {
    for (let request = 0; request < count; request++) {
      const began = performance.now()
      const answer = await client.request({
        path: pathOf(session),
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body,
      })
      await answer.body.dump()
      if (answer.statusCode !== 202) throw new Error(`Not accepted: ${answer.statusCode}`)
      times.push(performance.now() - began)
    }
  } finally {
    await client.close()
  }
  return median(times)
}
