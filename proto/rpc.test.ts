import { createHash, randomBytes } from 'node:crypto'
import * as grpc from '@grpc/grpc-js'
import { afterEach, describe, expect, it } from 'vitest'
import { AppError } from '../runtime/app-error.js'
import { silentLog } from '../runtime/log.js'
import type { SessionNodeHandlers } from './generated/switchboard/v1/SessionNode.js'
import { createNodeClient, type NodeClient } from './node-client.js'
import { NodeDirectory } from './node-directory.js'
import { createRpcServer, type RpcServer } from './rpc-server.js'
import type { servingUntil } from './rpc.js'
import type { ClusterSecurity } from './security.js'

const security: ClusterSecurity = { token: 'a-long-enough-token', insecure: false }
const node = { nodeId: 'nod_1', epoch: 'e', version: '1', capacity: 3, load: 0, draining: false, engines: ['sandbox'] }

const running: { stop(): Promise<void> }[] = []
const clients: NodeClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  for (const service of running.splice(0).reverse()) await service.stop()
})

async function serve(
  handlers: (serving: ReturnType<typeof servingUntil>) => Partial<SessionNodeHandlers>,
  listen = '127.0.0.1:0',
): Promise<RpcServer> {
  const server = createRpcServer({
    listen,
    security,
    log: silentLog(),
    handlers: (serving) => handlers(serving) as SessionNodeHandlers,
  })
  await server.start()
  running.push(server)
  return server
}

function clientOf(server: RpcServer, trusted = security): NodeClient {
  const client = createNodeClient(server.address(), trusted)
  clients.push(client)
  return client
}

describe('the gRPC edge', () => {
  it('brings an AppError to the caller with its code, reason and message', async () => {
    const server = await serve(({ unary }) => ({
      GetSession: unary(async () => {
        throw new AppError('not_ready', 'Scan it first', { reason: 'session_not_connected' })
      }),
    }))
    const call = clientOf(server).call('GetSession', { sessionId: 'ses_1' })
    await expect(call).rejects.toMatchObject({
      code: 'not_ready',
      reason: 'session_not_connected',
      message: 'Scan it first',
    })
  })

  it('tells nothing of a failure that nobody expected', async () => {
    const server = await serve(({ unary }) => ({
      GetSession: unary(() => Promise.reject(new Error('secret at /var/lib'))),
    }))
    const error: unknown = await clientOf(server)
      .call('GetSession', {})
      .catch((thrown: unknown) => thrown)
    expect(error).toMatchObject({ code: 'internal' })
    expect(String(error)).not.toContain('secret')
  })

  it('refuses a wrong token before the handler is entered, and answers health without one', async () => {
    let entered = false
    const server = await serve(({ unary }) => ({
      GetNode: unary(async () => {
        entered = true
        return node
      }),
    }))
    for (const token of [undefined, 'another-token-entirely']) {
      const call = clientOf(server, { ...security, token }).call('GetNode', {})
      await expect(call).rejects.toMatchObject({ code: 'unavailable', reason: 'node_token_refused' })
    }
    expect(entered).toBe(false)
    const health = new grpc.Client(server.address(), grpc.credentials.createInsecure())
    const answer = await new Promise<Buffer | undefined>((resolve, reject) =>
      health.makeUnaryRequest(
        '/grpc.health.v1.Health/Check',
        (bytes: Buffer) => bytes,
        (bytes: Buffer) => bytes,
        Buffer.alloc(0),
        (error, bytes) => (error ? reject(error) : resolve(bytes)),
      ),
    )
    health.close()
    expect(answer).toEqual(Buffer.from([8, 1]))
  })

  it('ends a call at its deadline and tells the handler', async () => {
    let cancelled: () => void
    const told = new Promise<void>((resolve) => (cancelled = resolve))
    const server = await serve(({ unary }) => ({
      GetSession: unary((_, { signal }) => {
        signal.addEventListener('abort', () => cancelled())
        return new Promise(() => undefined)
      }),
    }))
    const call = clientOf(server).call('GetSession', {}, { timeoutMs: 100 })
    await expect(call).rejects.toMatchObject({ code: 'timeout' })
    await told
  })

  it('answers a missing method with not_supported and a dead node with unavailable', async () => {
    const server = await serve(() => ({}))
    const client = clientOf(server)
    await expect(client.call('StopSession', {})).rejects.toMatchObject({ code: 'not_supported' })
    await server.stop()
    await expect(client.call('StopSession', {})).rejects.toMatchObject({ code: 'unavailable' })
  })

  it('refuses a unary message over 4 MiB', async () => {
    const server = await serve(({ unary }) => ({ GetSession: unary(async () => ({})) }))
    const call = clientOf(server).call('GetSession', { sessionId: 'x'.repeat(5 * 2 ** 20) })
    await expect(call).rejects.toMatchObject({ code: 'too_large' })
  })

  it('does not ask a stream for more while its reader is slow', async () => {
    let made = 0
    const server = await serve(({ serverStream }) => ({
      DownloadMedia: serverStream(async function* () {
        yield { info: { sha256: 'x', size: 1, mimetype: 'y' } }
        for (; made < 1_000; made++) yield { chunk: Buffer.alloc(256 * 1024) }
      }),
    }))
    const { chunks } = await clientOf(server).downloadMedia('x')
    const reader = chunks[Symbol.asyncIterator]()
    await reader.next()
    // The window of HTTP/2 and the buffers on both sides hold a few of them; a thousand would be 250 MB.
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(made).toBeLessThan(100)
    await reader.return?.(undefined)
  })

  it('brings a file up and down byte by byte', async () => {
    const file = randomBytes(1_000_000)
    const kept: Buffer[] = []
    const server = await serve(({ clientStream, serverStream }) => ({
      UploadMedia: clientStream(async (requests) => {
        for await (const request of requests) if (request.chunk) kept.push(request.chunk)
        return { existed: false }
      }),
      DownloadMedia: serverStream(async function* () {
        yield { info: { sha256: 'x', size: file.length, mimetype: 'y' } }
        for (const chunk of kept) yield { chunk }
      }),
    }))
    const client = clientOf(server)
    async function* halves() {
      yield file.subarray(0, 500_000)
      yield file.subarray(500_000)
    }
    await client.uploadMedia({ sha256: 'x', size: file.length, mimetype: 'y' }, halves())
    const got: Buffer[] = []
    for await (const chunk of (await client.downloadMedia('x')).chunks) got.push(chunk)
    const digest = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')
    expect(digest(Buffer.concat(got))).toBe(digest(file))
  })

  it('tells the caller of a two-way stream why it failed, also while a response is on its way', async () => {
    const server = await serve(({ bidi }) => ({
      FollowEvents: bidi(async function* (requests) {
        const reading = (async () => {
          for await (const _ of requests) continue
        })()
        reading.catch(() => undefined)
        // More than the caller's window takes at once.
        for (let index = 0; index < 20; index++) {
          yield { batch: { events: [{ eventId: 'x'.repeat(100_000) }] } }
        }
        throw new AppError('conflict', 'Another follows', { reason: 'follower_replaced' })
      }),
    }))
    for (let round = 0; round < 20; round++) {
      const following = clientOf(server).follow({ cursor: { epoch: '', position: 0 }, fence: 1 })
      const all = (async () => {
        for await (const _ of following.items) continue
      })()
      await expect(all).rejects.toMatchObject({ reason: 'follower_replaced' })
    }
  })

  it('ends long streams when the server stops', async () => {
    const server = await serve(({ serverStream }) => ({
      Watch: serverStream(async function* (_, { signal }) {
        yield { heartbeat: { atMs: 1 } }
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      }),
    }))
    const watch = clientOf(server).watch({ signal: new AbortController().signal })[Symbol.asyncIterator]()
    expect(await watch.next()).toMatchObject({ value: { kind: 'heartbeat' } })
    const ended = expect(watch.next()).rejects.toMatchObject({ code: 'unavailable' })
    await server.stop()
    await ended
  })

  it('refuses to listen in the clear where other machines can connect', async () => {
    const start = (listen: string, trusted: ClusterSecurity) =>
      createRpcServer({
        listen,
        security: trusted,
        log: silentLog(),
        handlers: () => ({}) as SessionNodeHandlers,
      }).start()
    await expect(start('0.0.0.0:0', security)).rejects.toThrow('GRPC_INSECURE')
    await expect(start('0.0.0.0:0', { insecure: true })).rejects.toThrow('CLUSTER_TOKEN')
  })
})

describe('NodeDirectory', () => {
  async function directoryOf(...targets: string[]): Promise<NodeDirectory> {
    const directory = new NodeDirectory({ targets, security, log: silentLog(), pollMs: 20 })
    await directory.start()
    running.push(directory)
    return directory
  }

  it('places a session on the reachable node with the most free capacity that runs its engine', async () => {
    const one = await serve(({ unary }) => ({ GetNode: unary(async () => node) }))
    const two = await serve(({ unary }) => ({
      GetNode: unary(async () => ({ ...node, nodeId: 'nod_2', capacity: 9 })),
    }))
    const three = await serve(({ unary }) => ({
      GetNode: unary(async () => ({ ...node, nodeId: 'nod_3', capacity: 99, draining: true })),
    }))
    const directory = await directoryOf(one.address(), two.address(), three.address(), '127.0.0.1:1')
    expect(directory.pick('sandbox').info.id).toBe('nod_2')
    expect(() => directory.pick('wwebjs')).toThrow(expect.objectContaining({ code: 'unavailable' }) as Error)
  })

  it('spreads sessions that come between two looks at the nodes', async () => {
    const served = await Promise.all(
      ['nod_1', 'nod_2'].map((nodeId) =>
        serve(({ unary }) => ({ GetNode: unary(async () => ({ ...node, nodeId, capacity: 9 })) })),
      ),
    )
    const directory = await directoryOf(...served.map(({ address }) => address()))
    const picked = Array.from({ length: 4 }, () => directory.pick('sandbox').info.id)
    expect(picked).toEqual(['nod_1', 'nod_2', 'nod_1', 'nod_2'])
  })

  it('notices that a node went away and came back', async () => {
    const first = await serve(({ unary }) => ({ GetNode: unary(async () => node) }))
    const directory = await directoryOf(first.address())
    const change = () => new Promise<void>((resolve) => directory.onChange(resolve))
    const gone = change()
    await first.stop()
    await gone
    expect(() => directory.get('nod_1')).toThrow(expect.objectContaining({ reason: 'node_unreachable' }) as Error)
    const back = change()
    await serve(({ unary }) => ({ GetNode: unary(async () => node) }), first.address())
    await back
    expect(directory.get('nod_1').target).toBe(first.address())
  })
})
