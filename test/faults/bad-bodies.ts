/** Bodies that no route may take, whatever it is for. `field` is one that it knows. */
export interface BadBody {
  name: string
  body: string | Buffer
  type?: string
}

const around = (before: string, bytes: number[], after: string) =>
  Buffer.concat([Buffer.from(before), Buffer.from(bytes), Buffer.from(after)])

export function badBodies(example: Record<string, unknown>): BadBody[] {
  const valid = JSON.stringify(example)
  const field = Object.keys(example)[0] ?? 'name'
  const rest = valid === '{}' ? '}' : `,${valid.slice(1)}`
  const withField = (name: string, value: string) => `{"${name}":${value}${rest}`
  const deep = (open: string, close: string) => open.repeat(10_000) + close.repeat(10_000)
  return [
    { name: 'nothing closed', body: '{' },
    { name: 'no value', body: '{"a":}' },
    { name: 'a comma too many', body: '{"a":1,}' },
    { name: 'half a word', body: 'nul' },
    { name: 'two values', body: `${valid}${valid}` },
    { name: 'single quotes', body: "{'a':1}" },
    { name: 'NaN', body: withField('zzz', 'NaN') },
    { name: 'a byte that is not UTF-8', body: around(`{"${field}":"`, [0xff], '"}') },
    { name: 'a character cut short', body: around(`{"${field}":"`, [0xf0, 0x9f, 0x98], '"}') },
    { name: 'an overlong slash', body: around(`{"${field}":"`, [0xc0, 0xaf], '"}') },
    { name: 'a surrogate in UTF-8', body: around(`{"${field}":"`, [0xed, 0xa0, 0x80], '"}') },
    { name: 'UTF-16', body: Buffer.from(valid, 'utf16le') },
    { name: 'a byte order mark', body: `\ufeff${valid}` },
    { name: 'a NUL byte', body: around(`{"${field}":"a`, [0], 'b"}') },
    { name: 'a NUL, escaped', body: withField('zzz', '"a\\u0000b"') },
    { name: 'half a surrogate pair', body: withField('zzz', '"\\ud83d"') },
    { name: 'half a surrogate pair as a name', body: withField('\\udc00', '1') },
    { name: '10 000 lists deep', body: deep('[', ']') },
    { name: '10 000 objects deep', body: `${'{"a":'.repeat(10_000)}1${'}'.repeat(10_000)}` },
    { name: '1e999', body: withField('zzz', '1e999') },
    { name: 'a field twice', body: `{"${field}":1,"${field}":2}` },
    { name: 'a field twice, once in escapes', body: `{"zzz":1,"\\u007azz":2${rest}` },
    { name: '__proto__', body: withField('__proto__', '{"isAdmin":true}') },
    { name: 'a list', body: '[]' },
    { name: 'a text', body: '"x"' },
    { name: 'null', body: 'null' },
    { name: 'text/plain', body: valid, type: 'text/plain' },
    { name: 'XML', body: '<a/>', type: 'application/xml' },
    { name: 'a form', body: 'a=1', type: 'application/x-www-form-urlencoded' },
    { name: 'no type', body: valid, type: '' },
    { name: 'a type that is none', body: valid, type: 'json' },
    { name: 'a form without its border', body: valid, type: 'multipart/form-data' },
  ]
}
