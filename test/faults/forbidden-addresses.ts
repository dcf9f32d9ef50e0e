/** Addresses that callers must not make us call: each is a way to this machine, its network or its cloud. */

/** `port`: where the canary listens on every address of this machine. */
export function forbiddenUrls(port: number): string[] {
  const hosts = [
    // This machine, in every spelling of IPv4.
    ...['127.0.0.1', '127.1', '127.0.1', '127.255.255.254', '0', '0.0.0.0', '2130706433', '0x7f000001', '0x7f.0.0.1'],
    ...['0x7f.1', '017700000001', '0177.0.0.1', '0177.1', '127.0.0.1.', '127。0。0。1', '１２７.０.０.１', '①②⑦.⓪.⓪.①'],
    ...['%31%32%37.0.0.1', '127%2e0%2e0%2e1', 'localhost', 'localhost.', 'LOCALHOST', 'ⓛocalhost'],
    // The same in IPv6, and IPv4 within IPv6: mapped, compatible, translated, NAT64, 6to4, Teredo.
    ...['[::1]', '[::]', '[0:0:0:0:0:0:0:1]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]'],
    ...['[::ffff:0:127.0.0.1]', '[64:ff9b::127.0.0.1]', '[64:ff9b:1::7f00:1]', '[2002:7f00:1::]'],
    ...['[2001:0:4136:e378:8000:63bf:80ff:fffe]', '[::ffff:169.254.169.254]'],
    // Networks, clouds and what no receiver has.
    ...['10.0.0.1', '172.16.0.1', '192.168.0.1', '100.64.0.1', '169.254.169.254', '169.254.170.2', '192.0.0.192'],
    ...['168.63.129.16', '198.18.0.1', '224.0.0.1', '240.0.0.1', '255.255.255.255', '[fe80::1]', '[fc00::1]'],
    ...['[fd00:ec2::254]', '[fec0::1]', '[ff02::1]', '[100::1]', '[2001:db8::1]'],
    // Names, of which no-outside.mjs says what they mean.
    ...['loopback.test', '127.0.0.1.nip.test', 'loopback6.test', 'mapped.test', 'metadata.test', 'private.test'],
    ...['mixed.test', 'rebinding.test'],
    // Names that are not what they seem.
    ...['example.org@127.0.0.1', 'user:pw@127.0.0.1', 'example.org%2f@127.0.0.1', '127.0.0.1%00.example.org'],
  ]
  return [
    ...hosts.map((host) => `https://${host}:${port}/`),
    `https://127.0.0.1:${port}#@example.org/`,
    `https://127.0.0.1:${port}\\@example.org/`,
    `https://[fe80::1%25lo]:${port}/`,
    ...['http', 'ftp', 'gopher', 'ws', 'file'].map((scheme) => `${scheme}://127.0.0.1:${port}/`),
    `https:127.0.0.1:${port}`,
    `//127.0.0.1:${port}/`,
  ]
}
