/** Where the data lives. `sqlite:` alone is the file in DATA_DIR. */
export type DatabaseTarget = { kind: 'sqlite'; file: string } | { kind: 'mysql'; url: URL }

/** Throws an Error whose message says what to change. */
export function parseDatabaseUrl(text: string): DatabaseTarget {
  if (text.startsWith('sqlite:')) {
    const file = text.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, '')
    if (file === '' || file.startsWith('//')) throw new Error('must be sqlite:/path/to/file')
    return { kind: 'sqlite', file }
  }
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (!url || (url.protocol !== 'mysql:' && url.protocol !== 'mariadb:')) {
    throw new Error('must begin with sqlite:, mysql:// or mariadb://')
  }
  if (url.hostname === '' || url.pathname.length < 2)
    throw new Error('must name a host and a database: mysql://user:password@host/database')
  return { kind: 'mysql', url }
}
