import ipaddr from 'ipaddr.js'

/** Whom an address stands for: a customer of a provider has all of an IPv6 /64, and one address of IPv4. */
export function addressGroup(address: string): string {
  if (!ipaddr.isValid(address)) return 'unknown'
  const known = ipaddr.process(address)
  if (!(known instanceof ipaddr.IPv6)) return known.toString()
  return `${new ipaddr.IPv6([...known.parts.slice(0, 4), 0, 0, 0, 0]).toString()}/64`
}
