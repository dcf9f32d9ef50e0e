/**
 * Who did what. A line is written before anything is done, and what became of it is added after: so nothing is done that
 * is not on record, whichever node, transaction or crash is part of it. When it cannot be written, nothing is done.
 */
import { isIP } from 'node:net'
import type { TenantId } from '../../proto/contract.js'
import { toAppError } from '../../runtime/app-error.js'
import type { Clock } from '../../runtime/clock.js'
import { newId } from '../../runtime/ids.js'
import type { Logger } from '../../runtime/log.js'
import type { ApiContext, Audit } from '../http/context.js'
import { checkScope } from '../http/authenticate.js'
import { actorOf, type AuditId, type AuditLine, type ReportedAction, targetOf } from './audit-line.js'
import type { AuditFilter, AuditRepository } from './audit-repository.js'

export interface AuditLogOptions {
  repository: AuditRepository
  clock: Clock
  log: Logger
}

export interface Reported {
  id: AuditId
  action: ReportedAction
  tenantId: TenantId
  target: string
  at: Date
}

export class AuditLog {
  constructor(private readonly options: AuditLogOptions) {}

  /** For requests. */
  readonly around: Audit = async (ctx, action, work) => {
    const line = this.lineOf(ctx, action)
    await this.options.repository.add(line)
    try {
      await work()
    } catch (error) {
      await this.end(line, toAppError(error).reason, ctx.state.subject)
      throw error
    }
    const replayed = ctx.res.hasHeader('Idempotency-Replayed')
    const made = (ctx.body as { id?: unknown } | null | undefined)?.id
    await this.end(line, replayed ? 'replayed' : 'done', ctx.state.subject ?? targetOf(made) ?? undefined)
  }

  /** What an operator did at a node: told by the bot, perhaps twice. Answers false then. */
  async report(ctx: ApiContext, { id, action, tenantId, target, at }: Reported): Promise<boolean> {
    const line = { ...this.lineOf(ctx, action), id, tenantId, target: targetOf(target), outcome: 'done', at }
    return this.options.repository.addOnce(line)
  }

  list(filter: AuditFilter, page: { limit: number; before: AuditId | undefined }): Promise<AuditLine[]> {
    return this.options.repository.list(filter, page)
  }

  private lineOf(ctx: ApiContext, action: string): AuditLine {
    const { key, tenantId, requestId, trace } = ctx.state
    const params = Object.values((ctx['params'] ?? {}) as Record<string, unknown>)
    return {
      id: newId('aud'),
      tenantId,
      actor: this.actor(ctx) ?? key.id,
      keyId: key.id,
      // What a proxy says may be anything.
      address: isIP(ctx.ip) === 0 ? null : ctx.ip,
      action,
      target: targetOf(params[0]),
      outcome: null,
      requestId,
      traceId: trace.id,
      at: new Date(this.options.clock()),
    }
  }

  /** Only an admin's key is believed that it acts for somebody else. */
  private actor(ctx: ApiContext): string | undefined {
    const given = actorOf(ctx.get('X-Actor').trim())
    if (!given) return undefined
    try {
      checkScope(ctx.state.key, 'admin')
      return given
    } catch {
      return undefined
    }
  }

  private async end(line: AuditLine, outcome: string, subject: string | undefined): Promise<void> {
    const { repository, log } = this.options
    await repository.end(line.id, { outcome, target: subject ?? line.target }).catch((err: unknown) => {
      // It is done, or refused, whatever becomes of its line.
      log.error({ err, audit: line.id, action: line.action, outcome }, 'audit.outcome_not_written')
    })
  }
}
