import type { Metrics } from '../../runtime/metrics.js'

/** A request that has ended, as far as it may be told. */
export interface EndedRequest {
  method: string
  /** The pattern, not the path; undefined when none matched. */
  route: string | undefined
  status: number
  seconds: number
  /** The client hung up before the answer was out. */
  aborted: boolean
  /** It lasted as long as somebody listened. */
  streamed: boolean
}

const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
const methods = ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE', 'OPTIONS']

export function httpMetrics(metrics: Metrics): (request: EndedRequest) => void {
  const requests = metrics.counter({
    name: 'switchboard_http_requests_total',
    help: 'HTTP requests by method, route pattern and status code; code "aborted" when the client hung up, route "none" when no route matched.',
    labels: ['method', 'route', 'code'],
  })
  const durations = metrics.histogram(
    {
      name: 'switchboard_http_request_duration_seconds',
      help: 'Time from the arrival of an HTTP request to the end of its answer in seconds, without event streams.',
      labels: ['method', 'route'],
    },
    BUCKETS,
  )
  return ({ method: given, route = 'none', status, seconds, aborted, streamed }) => {
    const method = methods.includes(given) ? given : 'other'
    requests.inc({ method, route, code: aborted ? 'aborted' : String(status) })
    if (!aborted && !streamed) durations.observe({ method, route }, seconds)
  }
}
