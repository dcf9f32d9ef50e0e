/** For tests: a node on a directory of its own, with the sandbox engine, on a port that is free. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Content, NodeEvent, OutgoingMessage, SessionId } from '../proto/contract.js'
import type { StartSessionRequestInput } from '../proto/generated/switchboard/v1/StartSessionRequest.js'
import { outgoingToProto, sessionFromProto } from '../proto/mapping.js'
import { createNodeClient, type NodeClient } from '../proto/node-client.js'
import { waMessageId } from '../proto/wa-message-id.js'
import { systemClock } from '../runtime/clock.js'
import { newId } from '../runtime/ids.js'
import { silentLog } from '../runtime/log.js'
import type { SessionNodeConfig } from './config.js'
import { createSessionNode, type Outside, type SessionNode } from './session-node.js'

const security = { insecure: false }

export interface TestNode {
  node: SessionNode
  client: NodeClient
  dataDir: string
  /** Starts a sandbox session that pairs by itself, unless told otherwise. */
  startSession(options?: Partial<StartSessionRequestInput>): Promise<SessionId>
  send(sessionId: SessionId, ...messages: OutgoingMessage[]): Promise<void>
  /** Waits for an event, from the first one that is kept. */
  event(matches: (event: NodeEvent) => boolean): Promise<NodeEvent>
  /** All events that are kept now. */
  events(): Promise<NodeEvent[]>
  /** Ends it and starts it again on the same directory. */
  restart(): Promise<TestNode>
  stop(options?: { keep?: boolean }): Promise<void>
}

export interface TestNodeOptions {
  dataDir?: string
  config?: Partial<SessionNodeConfig>
  outside?: Partial<Outside>
}

export async function startTestNode({ dataDir: given, config, outside }: TestNodeOptions = {}): Promise<TestNode> {
  const dataDir = given ?? (await mkdtemp(join(tmpdir(), 'switchboard-node-')))
  const node = createSessionNode(
    { dataDir, listen: '127.0.0.1:0', capacity: 10, security, browser: {}, ...config },
    { log: silentLog(), clock: systemClock, sendsAlone: true, ...outside },
  )
  await node.start()
  const client = createNodeClient(node.address(), security)

  async function* read() {
    const ending = new AbortController()
    try {
      const from = { epoch: '', position: 0 }
      for await (const item of client.watch({ from, signal: ending.signal })) yield item
    } finally {
      ending.abort()
    }
  }

  async function event(matches: (event: NodeEvent) => boolean): Promise<NodeEvent> {
    for await (const item of read()) if (item.kind === 'event' && matches(item.event)) return item.event
    throw new Error('The watch ended before the event came')
  }

  async function events(): Promise<NodeEvent[]> {
    const found: NodeEvent[] = []
    let end = 0
    for await (const item of read()) {
      if (item.kind === 'snapshot') end = item.cursor.position
      if (item.kind === 'event') found.push(item.event)
      if (item.kind === 'heartbeat' || (found.at(-1)?.position ?? 0) >= end) break
    }
    return found
  }

  async function stop({ keep = false } = {}) {
    client.close()
    await node.stop()
    if (!keep) await rm(dataDir, { recursive: true, force: true })
  }

  return {
    node,
    client,
    dataDir,
    event,
    events,
    stop,
    async startSession(options = {}) {
      const sessionId = newId('ses')
      const { session } = await client.call('StartSession', {
        sessionId,
        tenantId: 'ten_default',
        name: 'default',
        engine: 'sandbox',
        sandbox: { phone: '4915111111111', autoPair: true },
        ...options,
      })
      return session ? sessionFromProto(session).id : sessionId
    },
    async send(sessionId, ...messages) {
      const { results } = await client.call('SendMessages', { sessionId, messages: messages.map(outgoingToProto) })
      const refused = results.find(({ errorCode }) => errorCode !== '')
      if (refused) throw new Error(`Not taken on: ${refused.errorCode} ${refused.error}`)
    },
    async restart() {
      await stop({ keep: true })
      return startTestNode({ dataDir, ...(config ? { config } : {}), ...(outside ? { outside } : {}) })
    },
  }
}

/** A message to send; a test names what matters to it. */
export function anOutgoing(overrides: Partial<OutgoingMessage> = {}): OutgoingMessage {
  const id = overrides.id ?? newId('msg')
  return {
    id,
    waMessageId: waMessageId(id),
    to: '4915222222222@c.us',
    content: aText('Hi'),
    mentions: [],
    expiresInMs: 86_400_000,
    origin: 'api',
    onUnknown: 'resend',
    ...overrides,
  }
}

export const aText = (body: string): Content => ({ type: 'text', text: { body } })
