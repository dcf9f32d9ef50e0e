/** `npm run admin`: reads the command, finds who can do it, and tells what came of it. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { AppError } from '../../runtime/app-error.js'
import { createLog } from '../../runtime/log.js'
import type { GatewayConfig } from '../config.js'
import { readIfThere } from '../tenants/secrets.js'
import { type Access, askApi, NotReached, Refused } from './admin-api.js'
import { type Asked, helpText, parseCommand, UsageError } from './commands.js'
import { told } from './told.js'

export interface AdminOutside {
  config: () => GatewayConfig
  out: (text: string) => void
  err: (text: string) => void
  isSettingsError: (error: unknown) => boolean
}

/** 0: done. 1: refused. 2: not a command, or settings that cannot be used. 3: neither gateway nor database is reached. */
export type ExitCode = 0 | 1 | 2 | 3

export async function runAdmin(args: string[], outside: AdminOutside): Promise<ExitCode> {
  const { out, err } = outside
  const json = args.includes('--json')
  const fail = (code: ExitCode, problem: { code: string; detail?: string | undefined }) => {
    err(json ? JSON.stringify(problem) : (problem.detail ?? problem.code))
    return code
  }
  try {
    const parsed = parseCommand(args)
    if (!parsed) {
      out(helpText())
      return 0
    }
    const answer = await ask(parsed.asked, outside.config(), parsed.url)
    out(json ? JSON.stringify(answer ?? {}, null, 2) : told(answer))
    return 0
  } catch (error) {
    if (error instanceof Refused) return fail(1, error.problem)
    if (error instanceof NotReached) return fail(3, { code: 'not_reached', detail: error.message })
    const isUsage = error instanceof UsageError
    if (isUsage || outside.isSettingsError(error)) {
      const { message } = error as Error
      return fail(2, { code: 'usage', detail: isUsage ? `${message} npm run admin -- --help lists all.` : message })
    }
    throw error
  }
}

async function ask(asked: Asked, config: GatewayConfig, url: string | undefined): Promise<unknown> {
  const key = config.adminApiKey ?? (await readIfThere(join(config.dataDir, 'admin-api-key')))
  const running: Access | undefined = key === undefined ? undefined : { url: url ?? localUrl(config), key }
  if (running) {
    try {
      return await askApi(running, asked)
    } catch (error) {
      const isStranger = error instanceof Refused && /^api_key_/.test(error.problem.code)
      if (url !== undefined || !(error instanceof NotReached || isStranger)) throw error
    }
  }
  return askDatabase(asked, config)
}

/** Throws NotReached while a gateway holds a SQLite file: it has to be asked, or stopped. */
async function askDatabase(asked: Asked, config: GatewayConfig): Promise<unknown> {
  const { database } = config
  if (database.kind === 'sqlite' && !existsSync(database.file)) {
    throw new NotReached(
      `There is no gateway at ${localUrl(config)}, and no database at ${database.file}. Is DATA_DIR right?`,
    )
  }
  // Most of a gateway, and seldom needed.
  const { createOfflineGateway } = await import('./offline-gateway.js')
  const gateway = createOfflineGateway(config, createLog('admin', 'fatal'))
  try {
    await gateway.start()
  } catch (cause) {
    if (database.kind !== 'sqlite' || !(cause instanceof Error) || !/has .* open/.test(cause.message)) {
      const reason = cause instanceof AppError || cause instanceof Error ? cause.message : String(cause)
      throw new NotReached(`The database cannot be opened: ${reason}`, { cause })
    }
    throw new NotReached(
      `A gateway has ${database.file} open, and does not let this in at ${localUrl(config)}: either it listens elsewhere (--url, with its key as ADMIN_API_KEY), or the key in DATA_DIR is not its own. Stop it and ask again: then the database is opened here.`,
      { cause },
    )
  }
  try {
    return await askApi(gateway.access(), asked)
  } finally {
    await gateway.stop()
  }
}

function localUrl({ host, port }: GatewayConfig): string {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host
  return `http://${near.includes(':') ? `[${near}]` : near}:${port}`
}
