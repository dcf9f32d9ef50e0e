// npm run webhook:listen: a receiver for looking at webhooks while you build yours. Node built-ins only.
import { once } from 'node:events'
import { createServer } from 'node:http'
import { parseArgs } from 'node:util'
import { describeEvent } from './webhook-event.mjs'
import { signatureProblem } from './webhook-signature.mjs'

const HELP = `npm run webhook:listen -- [options]

Prints the events that a webhook brings, and whether their signature is right.

  --secret whsec_…   the webhook's secret; better in WEBHOOK_SECRET, where other users of this machine do not see it
  --register         makes a webhook of its own for this run and deletes it at the end; wants a key in KEY
  --gateway URL      where Switchboard is (http://localhost:3000)
  --port N           where to listen (4000; 0 is any free one)
  --host ADDRESS     (127.0.0.1)
  --verbose          the whole event, text and numbers included

To see how deliveries are tried again:

  --status N         answer this instead of 204
  --times N          only to the first N requests for each event, then 204
  --retry-after S    with this Retry-After
  --delay S          answer after so many seconds
`
const LOOPBACK =
  'Switchboard calls addresses of this machine only when it was started with WEBHOOK_ALLOW_CIDRS=127.0.0.0/8'
const BODY_LIMIT = 1_048_576

const options = readOptions()
const { port, host, gateway } = options
let secret = options.secret
/** By webhook-id: how often it came. */
const seen = new Map()
/** By session: the last sequence that was taken. */
const sequences = new Map()

const server = createServer((request, response) => void receive(request, response).catch(fail))
server.listen(port, host)
await once(server, 'listening').catch(fail)
const url = `http://${host.includes(':') ? `[${host}]` : host}:${server.address().port}/`
say(`Listening on ${url}  (Ctrl+C stops it)`)

const webhook = options.register ? await register().catch(fail) : undefined
if (!webhook) say(howToRegister())
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void stop().catch(fail))

async function receive(request, response) {
  const chunks = []
  let size = 0
  for await (const chunk of request) {
    size += chunk.length
    if (size > BODY_LIMIT) return void response.writeHead(413).end()
    chunks.push(chunk)
  }
  const body = Buffer.concat(chunks)
  const { headers } = request
  if (request.method !== 'POST') return void response.writeHead(405, { allow: 'POST' }).end()
  const problem = secret ? signatureProblem({ headers, body, secret }) : 'not checked: no --secret'
  // As a receiver should: what is not signed by Switchboard is refused, and not read.
  if (secret && problem) {
    say(`${time()}  refused: ${problem}`)
    return void response.writeHead(401).end()
  }
  const event = parse(body)
  const id = headers['webhook-id'] ?? event?.id
  const count = (seen.get(id) ?? 0) + 1
  seen.set(id, count)
  const status = options.status && count <= options.times ? options.status : 204
  const notes = [`#${event?.sequence ?? '-'}`, problem ? `signature ${problem}` : 'signature ok']
  if (count > 1) notes.push(`time ${count} that it comes`)
  if (count === 1 && isLate(event)) notes.push('an event after it came first')
  if (status !== 204) notes.push(`answered ${status}`)
  say(`${time()}  ${describeEvent(event)}  (${notes.join(', ')})`)
  if (options.verbose) say(JSON.stringify(event, null, 2))
  if (options.delay > 0) await new Promise((resolve) => setTimeout(resolve, options.delay * 1_000))
  const retryAfter = status !== 204 && options.retryAfter ? { 'retry-after': options.retryAfter } : {}
  response.writeHead(status, retryAfter).end()
}

function isLate(event) {
  const { id } = event?.session ?? {}
  if (id === undefined || event.sequence === undefined) return false
  const last = sequences.get(id) ?? 0
  sequences.set(id, Math.max(last, event.sequence))
  return event.sequence < last
}

async function register() {
  const body = JSON.stringify({ url, events: ['*'], description: 'npm run webhook:listen' })
  const made = await ask('POST', '/webhooks', body)
  secret = made.secret
  say(`Made the webhook ${made.id}, which is deleted when this ends.`)
  return made
}

async function ask(method, path, body) {
  const headers = {
    authorization: `Bearer ${process.env.KEY}`,
    ...(body ? { 'content-type': 'application/json' } : {}),
  }
  const answer = await fetch(`${gateway}/api/v1${path}`, { method, headers, body, signal: AbortSignal.timeout(10_000) })
  const text = await answer.text()
  if (answer.ok) return parse(text) ?? {}
  const { detail = text } = parse(text) ?? {}
  const hint = answer.status < 500 && body ? `\n${LOOPBACK}` : ''
  throw new Error(`${gateway} answered ${answer.status}: ${detail}${hint}`)
}

async function stop() {
  if (webhook) await ask('DELETE', `/webhooks/${webhook.id}`)
  server.close()
  server.closeAllConnections()
}

function howToRegister() {
  const known = secret
    ? ''
    : '\nThen start this again with the secret from the answer: WEBHOOK_SECRET=whsec_… npm run webhook:listen\n'
  return `
Make a webhook for it (or let --register do it, with the key in KEY):

  curl -X POST ${gateway}/api/v1/webhooks -H "Authorization: Bearer $KEY" \\
    -H 'Content-Type: application/json' -d '{"url": "${url}", "events": ["*"]}'
${known}
${LOOPBACK}
`
}

function readOptions() {
  const text = { type: 'string' }
  const number = (name, given, most) => {
    if (/^\d+(\.\d+)?$/.test(given) && Number(given) <= most) return Number(given)
    throw new Error(`--${name} must be a number up to ${most}`)
  }
  try {
    const { values } = parseArgs({
      options: {
        ...{ secret: text, gateway: text, port: text, host: text, status: text, times: text, delay: text },
        ...{
          'retry-after': text,
          register: { type: 'boolean' },
          verbose: { type: 'boolean' },
          help: { type: 'boolean' },
        },
      },
    })
    if (values.help) {
      process.stdout.write(HELP)
      process.exit(0)
    }
    if (values.register && !process.env.KEY)
      throw new Error('--register wants an API key in the environment variable KEY')
    const status = values.status === undefined ? undefined : number('status', values.status, 599)
    if (status !== undefined && status < 200) throw new Error('--status must be between 200 and 599')
    return {
      secret: values.secret ?? process.env.WEBHOOK_SECRET,
      gateway: (values.gateway ?? 'http://localhost:3000').replace(/\/+$/, ''),
      port: number('port', values.port ?? '4000', 65_535),
      host: values.host ?? '127.0.0.1',
      status,
      times: values.times === undefined ? Infinity : number('times', values.times, 1e9),
      retryAfter: values['retry-after'],
      delay: number('delay', values.delay ?? '0', 3_600),
      register: values.register ?? false,
      verbose: values.verbose ?? false,
    }
  } catch (error) {
    process.stderr.write(`${error.message}\n\n${HELP}`)
    process.exit(2)
  }
}

function parse(text) {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function time() {
  return new Date().toTimeString().slice(0, 8)
}

function say(line) {
  process.stdout.write(`${line}\n`)
}

function fail(error) {
  process.stderr.write(`${error.message}\n`)
  process.exit(1)
}
