// Whether a request is from Switchboard: https://www.standardwebhooks.com, and X-Hub-Signature-256. Node built-ins only.
import { createHmac, timingSafeEqual } from 'node:crypto'

const TOLERANCE_S = 300

/** What is wrong with the signature, in words; undefined when it is right. */
export function signatureProblem({ headers, body, secret, now = Date.now() }) {
  if (headers['webhook-signature'] !== undefined) return standardProblem(headers, body, secret, now)
  if (headers['x-hub-signature-256'] !== undefined) return hubProblem(headers, body, secret)
  return 'it has no signature'
}

function standardProblem(headers, body, secret, now) {
  const { 'webhook-id': id, 'webhook-timestamp': timestamp } = headers
  if (!id || !/^\d{1,12}$/.test(timestamp ?? '')) return 'webhook-id or webhook-timestamp is missing'
  const age = Math.round(now / 1000) - Number(timestamp)
  if (Math.abs(age) > TOLERANCE_S) return `it was signed ${Math.abs(age)} s ${age > 0 ? 'ago' : 'in the future'}`
  const key = Buffer.from(secret.replace(/^whsec_/, ''), 'base64')
  const expected = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest('base64')
  const given = headers['webhook-signature'].split(' ')
  return given.some((signature) => same(signature, `v1,${expected}`)) ? undefined : 'it was signed with another secret'
}

function hubProblem(headers, body, secret) {
  const expected = createHmac('sha256', secret).update(body).digest('hex')
  return same(headers['x-hub-signature-256'], `sha256=${expected}`) ? undefined : 'it was signed with another secret'
}

function same(given, expected) {
  const [one, other] = [Buffer.from(given), Buffer.from(expected)]
  return one.length === other.length && timingSafeEqual(one, other)
}
