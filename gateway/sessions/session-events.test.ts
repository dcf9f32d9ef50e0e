import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { NodeEvent, NodeId, NodeSession, SessionStatus } from '../../proto/contract.js'
import { newId } from '../../runtime/ids.js'
import { databases, openDatabase } from '../../test/databases.js'
import type { Database } from '../db/database.js'
import { DEFAULT_TENANT } from '../tenants/tenant.js'
import { defaultPacing, type Session } from './session.js'
import { SessionEvents } from './session-events.js'
import { SessionRepository } from './session-repository.js'

const NODE: NodeId = 'nod_a'

describe.each(databases())('SessionEvents on $name', (target) => {
  let db: Database
  let repository: SessionRepository
  let events: SessionEvents
  beforeAll(async () => {
    db = await openDatabase(target)
    repository = new SessionRepository(db)
    events = new SessionEvents(repository)
  })
  afterAll(() => db.stop())

  async function aSession(overrides: Partial<Session> = {}): Promise<Session> {
    const id = newId('ses')
    const name = id.slice(0, 3) + id.slice(-20)
    const now = new Date()
    const session: Session = {
      ...{ id, tenantId: DEFAULT_TENANT, name, liveName: name, engine: 'sandbox', nodeId: NODE, wanted: 'running' },
      ...{ status: 'created', reason: null, detail: null, phone: null, lid: null, pushName: null },
      ...{ pacing: defaultPacing('sandbox'), sandbox: null, metadata: null },
      ...{ changedAt: now, connectedAt: null, createdAt: now, deletedAt: null },
      ...overrides,
    }
    await repository.add(session)
    return session
  }
  const told = (session: Session, status: SessionStatus, more: Partial<NodeSession> = {}): NodeEvent => {
    const { id, tenantId, name, engine, pacing } = session
    const at = Date.now()
    const said: NodeSession = { id, tenantId, name, engine, pacing, status, changedAt: at, waiting: 0, ...more }
    const body = { kind: 'session_status' as const, session: said }
    return { id: newId('evt'), sessionId: id, tenantId, epoch: 'e', position: 1, at, body }
  }
  const apply = (session: Session, status: SessionStatus, more: Partial<NodeSession> = {}, nodeId = NODE) =>
    db.write((tx) => events.apply(tx, nodeId, told(session, status, more)))

  it('writes what the node says, to the millisecond', async () => {
    const session = await aSession()
    const connectedAt = 1_763_841_234_567
    const who = { phone: '491511', lid: '7@lid', pushName: 'Zoë 🦊', connectedAt, changedAt: connectedAt }
    expect(await apply(session, 'connected', { reason: 'linked', ...who })).toMatchObject({ numberChanged: false })
    expect(await repository.find(session.id)).toMatchObject({
      ...{ status: 'connected', reason: 'linked', phone: '491511', lid: '7@lid', pushName: 'Zoë 🦊' },
      connectedAt: new Date(connectedAt),
    })
  })

  it('keeps the number of a session that is unlinked, and tells when another one is linked', async () => {
    const session = await aSession()
    await apply(session, 'connected', { phone: '491511' })
    await apply(session, 'logged_out', { reason: 'logged_out_by_phone' })
    expect(await repository.find(session.id)).toMatchObject({ phone: '491511', wanted: 'logged_out' })
    expect(await apply(session, 'connected', { phone: '491511' })).toMatchObject({ numberChanged: false })
    expect(await apply(session, 'connected', { phone: '491522' })).toMatchObject({ numberChanged: true })
  })

  it('takes over what was asked of the node itself', async () => {
    const session = await aSession()
    await apply(session, 'stopped', { reason: 'stopped_by_request' })
    expect(await repository.find(session.id)).toMatchObject({ wanted: 'stopped' })
    await apply(session, 'starting')
    expect(await repository.find(session.id)).toMatchObject({ wanted: 'running' })
    await apply(session, 'stopped', { reason: 'node_stopping' })
    expect(await repository.find(session.id)).toMatchObject({ wanted: 'running', status: 'stopped' })
  })

  it('says nothing of sessions that are elsewhere, deleted or unknown', async () => {
    const session = await aSession()
    expect(await apply(session, 'connected', {}, 'nod_b')).toBeNull()
    await db.write((tx) => repository.markDeleted(tx, session.id, new Date()))
    expect(await apply(session, 'connected')).toBeNull()
    expect(await apply({ ...session, id: newId('ses') }, 'connected')).toBeNull()
  })

  it('frees the name of a deleted session and keeps its row', async () => {
    const session = await aSession()
    await expect(aSession({ name: session.name, liveName: session.name })).rejects.toMatchObject({ code: 'conflict' })
    await db.write((tx) => repository.markDeleted(tx, session.id, new Date()))
    const next = await aSession({ name: session.name, liveName: session.name })
    expect((await repository.findLive(DEFAULT_TENANT, session.name))?.id).toBe(next.id)
    expect(await repository.find(session.id)).toMatchObject({ name: session.name, liveName: null })
  })
})
