import ipaddr from 'ipaddr.js'

const MAPPED_BITS = 96

/** A range as it is kept (`10.1.0.0/16`); an address alone is a range of one. Undefined for what is neither. */
export function addressRange(text: string): string | undefined {
  if (ipaddr.isValid(text) && !text.includes('%')) {
    const address = ipaddr.process(text)
    return `${address.toString()}/${address.kind() === 'ipv4' ? 32 : 128}`
  }
  // Without its dots, 10/8 would be 0.0.0.10/8.
  if (!ipaddr.isValidCIDR(text) || (!text.includes(':') && text.split('.').length !== 4)) return undefined
  const [address, bits] = ipaddr.parseCIDR(text)
  // Addresses of callers are compared in their short form.
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress()) {
    return bits < MAPPED_BITS ? undefined : `${address.toIPv4Address().toString()}/${bits - MAPPED_BITS}`
  }
  return `${address.toString()}/${bits}`
}

export function isWithin(address: string, range: string): boolean {
  // Without an address the client has hung up already.
  if (!ipaddr.isValid(address)) return false
  const [net, bits] = ipaddr.parseCIDR(range)
  const from = ipaddr.process(address)
  return from.kind() === net.kind() && from.match([net, bits] as never)
}
