import * as mysql2 from 'mysql2'
import { DataSource, type EntitySchema } from 'typeorm'
import { migrations } from '../../migrations/index.js'

const CONNECT_MS = 5_000

/**
 * Said on each new connection instead of in each transaction: one round trip less. READ COMMITTED, because what is
 * decided is decided by compare-and-set. A lock is waited for one second, twice, so that nobody hangs behind a slow one.
 */
const session =
  "SET SESSION transaction_isolation = 'READ-COMMITTED', innodb_lock_wait_timeout = 1, time_zone = '+00:00', sql_mode = 'TRADITIONAL'"
// MariaDB before 11.1 knows the variable by its older name only.
const mariadbSession = session.replace('transaction_isolation', 'tx_isolation')

/** `?ssl=true` at the end of the URL: TLS, with the certificate checked against the machine's own authorities. */
function credentialsOf(url: URL) {
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: Number(url.port || 3306),
    password: decodeURIComponent(url.password),
    database: decodeURIComponent(url.pathname.slice(1)),
    connectTimeout: CONNECT_MS,
    ...(url.searchParams.get('ssl') === 'true' ? { ssl: {} } : {}),
  }
}

async function isMariadb(url: URL): Promise<boolean> {
  const user = decodeURIComponent(url.username)
  const connection = mysql2.createConnection({ ...credentialsOf(url), user }).promise()
  try {
    const [rows] = await connection.query('SELECT VERSION() AS version')
    return /mariadb/i.test((rows as { version: string }[])[0]?.version ?? '')
  } finally {
    connection.destroy()
  }
}

/** The URL may say either name: the server is asked what it is, because the wrong name finds differences that are none. */
export async function openMysql(url: URL, entities: EntitySchema[], poolSize: number): Promise<DataSource> {
  const mariadb = await isMariadb(url)
  const driver = {
    ...mysql2,
    createPool: (options: mysql2.PoolOptions) => {
      const pool = mysql2.createPool(options)
      pool.on('connection', (connection) => {
        connection.query(mariadb ? mariadbSession : session, (error) => {
          // A connection without these would decide differently from the others.
          if (error) connection.destroy()
        })
      })
      return pool
    },
  }
  const source = new DataSource({
    ...credentialsOf(url),
    type: mariadb ? 'mariadb' : 'mysql',
    driver,
    username: decodeURIComponent(url.username),
    charset: 'utf8mb4',
    timezone: 'Z',
    poolSize,
    extra: { enableKeepAlive: true, keepAliveInitialDelay: 10_000, idleTimeout: 60_000, maxIdle: poolSize },
    entities,
    migrations,
    synchronize: false,
    logging: false,
    migrationsTransactionMode: 'each',
  })
  return source.initialize()
}
