import Router from '@koa/router'
import type { NodeDirectory } from '../../proto/node-directory.js'
import { sleep } from '../../runtime/clock.js'
import type { Database } from '../db/database.js'
import type { OpenRouter, OpenState } from '../http/context.js'
import { handle } from '../http/operation.js'
import { livez, readyz, type ShownReadiness } from './health-operations.js'

export interface HealthRoutesOptions {
  db: Pick<Database, 'ping'>
  directory: Pick<NodeDirectory, 'nodes'>
}

const PATIENCE_MS = 2_000

/**
 * `/livez`: the process answers. `/readyz`: it can do its work, for which it needs the database; without a node it still
 * accepts messages, so nodes are told and not required.
 */
export function healthRoutes({ db, directory }: HealthRoutesOptions): OpenRouter {
  const router = new Router<OpenState>()

  handle(router, livez, (ctx) => {
    ctx.body = { status: 'ok' }
  })

  handle(router, readyz, async (ctx) => {
    const stopping = ctx.state.stopping.aborted
    const database = await usable(db)
    const nodes = directory.nodes().map(({ info, reachable }) => ({ ...(info ? { id: info.id } : {}), reachable }))
    const ready = database && !stopping
    ctx.status = ready ? 200 : 503
    if (!ready) ctx.set('Retry-After', '5')
    ctx.body = {
      status: stopping ? 'stopping' : ready ? 'ok' : 'unavailable',
      database: database ? 'ok' : 'unavailable',
      nodes,
    } satisfies ShownReadiness
  })

  return router
}

async function usable(db: Pick<Database, 'ping'>): Promise<boolean> {
  const answered = db.ping().then(
    () => true,
    () => false,
  )
  const patience = new AbortController()
  try {
    return await Promise.race([answered, sleep(PATIENCE_MS, patience.signal).then(() => false)])
  } finally {
    patience.abort()
  }
}
