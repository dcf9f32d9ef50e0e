/**
 * Loaded by a process under test before anything else: names mean what this table says, and nothing outside of this
 * machine is dialled: such a connection is refused, and its address written to the file DIALLED.
 */
import { appendFileSync } from 'node:fs'
import dns from 'node:dns'
import { syncBuiltinESMExports } from 'node:module'
import net from 'node:net'

const PUBLIC = '93.184.216.34'
/** What a name means; the second of two lists is for the second look-up, and so in turn. */
const names = {
  localhost: [['::1', '127.0.0.1']],
  'public.test': [[PUBLIC]],
  'loopback.test': [['127.0.0.1']],
  '127.0.0.1.nip.test': [['127.0.0.1']],
  'loopback6.test': [['::1']],
  'mapped.test': [['::ffff:127.0.0.1']],
  'metadata.test': [['169.254.169.254']],
  'private.test': [['10.0.0.1']],
  'mixed.test': [[PUBLIC, '127.0.0.1']],
  'rebinding.test': [[PUBLIC], ['127.0.0.1']],
  'example.org': [[PUBLIC]],
}
const asked = new Map()
const trueLookup = dns.lookup

dns.lookup = (name, options, done) => {
  const key = name.toLowerCase().replace(/\.$/, '')
  if (net.isIP(name)) return trueLookup(name, options, done)
  const lists = names[key]
  if (!lists) {
    const error = Object.assign(new Error(`getaddrinfo ENOTFOUND ${name}`), { code: 'ENOTFOUND', hostname: name })
    return process.nextTick(done, error)
  }
  const turn = asked.get(key) ?? 0
  asked.set(key, turn + 1)
  const found = lists[turn % lists.length].map((address) => ({ address, family: net.isIP(address) }))
  process.nextTick(done, null, ...(options?.all ? [found] : [found[0].address, found[0].family]))
}
syncBuiltinESMExports()

const ECONNREFUSED = -111
const { TCP } = process.binding('tcp_wrap')
for (const method of ['connect', 'connect6']) {
  const dial = TCP.prototype[method]
  TCP.prototype[method] = function (request, address, ...rest) {
    if (/^(127\.|::1$|::ffff:127\.)/.test(address)) return dial.call(this, request, address, ...rest)
    appendFileSync(process.env.DIALLED, `${address}\n`)
    return ECONNREFUSED
  }
}
