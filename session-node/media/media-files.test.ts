import { createHash, randomBytes } from 'node:crypto'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { EventBody, Media, SessionId, TenantId } from '../../proto/contract.js'
import { silentLog } from '../../runtime/log.js'
import { EventLog } from '../journal/event-log.js'
import { Journal } from '../journal/journal.js'
import { anOutgoing, startTestNode, type TestNode } from '../testing.js'
import { MediaFiles } from './media-files.js'

describe('files of messages', () => {
  let node: TestNode
  beforeEach(async () => {
    node = await startTestNode()
  })
  afterEach(() => node.stop())

  const aFile = (size = 700_000) => {
    const bytes = randomBytes(size)
    return { bytes, info: { sha256: createHash('sha256').update(bytes).digest('hex'), size, mimetype: 'image/png' } }
  }
  async function* inChunks(bytes: Buffer) {
    for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
  }
  const kept = () => readdir(join(node.dataDir, 'node-media'))

  it('come back as they were put, and are read once only', async () => {
    const { bytes, info } = aFile()
    expect(await node.client.uploadMedia(info, inChunks(bytes))).toEqual({ existed: false })
    expect(await node.client.uploadMedia(info, inChunks(bytes))).toEqual({ existed: true })
    const downloaded = await node.client.downloadMedia(info.sha256)
    expect(downloaded.info).toEqual(info)
    const chunks: Buffer[] = []
    for await (const chunk of downloaded.chunks) chunks.push(chunk)
    expect(Buffer.concat(chunks).equals(bytes)).toBe(true)
    expect(chunks.every(({ length }) => length <= 256 * 1024)).toBe(true)
    expect(await kept()).toEqual([info.sha256])
  })

  it('are refused, and leave nothing, when they are not what was announced', async () => {
    const { bytes, info } = aFile()
    const lies = [
      { ...info, sha256: aFile(10).info.sha256 },
      { ...info, size: info.size - 1 },
      { ...info, size: info.size + 1 },
    ]
    for (const lie of lies) {
      const upload = node.client.uploadMedia(lie, inChunks(bytes))
      await expect(upload).rejects.toMatchObject({ code: 'invalid', reason: 'media_hash_mismatch' })
    }
    const path = node.client.uploadMedia({ ...info, sha256: '../../etc/passwd' }, inChunks(bytes))
    await expect(path).rejects.toMatchObject({ code: 'invalid' })
    expect(await kept()).toEqual([])
    await expect(node.client.downloadMedia(info.sha256)).rejects.toMatchObject({
      code: 'not_found',
      reason: 'media_missing',
    })
  })

  it('are refused when they are larger than any message may be', async () => {
    const { bytes, info } = aFile(10)
    const upload = node.client.uploadMedia({ ...info, size: 2 ** 40 }, inChunks(bytes))
    await expect(upload).rejects.toMatchObject({ code: 'too_large' })
  })

  it('that a message still has to send stay when the gateway confirms their like', async () => {
    const { bytes, info } = aFile()
    const sessionId = await node.startSession({ sandbox: {} })
    await node.client.uploadMedia(info, inChunks(bytes))
    await node.send(sessionId, anOutgoing({ content: { type: 'image', image: info } }))
    await node.client.call('ConfirmMedia', { sha256: [info.sha256] })
    expect(await kept()).toEqual([info.sha256])
  })
})

describe('MediaFiles', () => {
  let dataDir: string
  let journal: Journal
  let media: MediaFiles
  let now = Date.UTC(2026, 0, 1)
  const session = { id: 'ses_a' as SessionId, tenantId: 'ten_default' as TenantId }
  const aMessage = (waMessageId: string, image: Media): EventBody => ({
    kind: 'message_received',
    ...{ waMessageId, chatId: '49@c.us', from: '49@c.us', to: '48@c.us', mentions: [], sentAt: now },
    origin: 'contact',
    content: { type: 'image', image },
  })

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'switchboard-media-'))
    journal = new Journal({ dataDir })
    await journal.start()
    media = new MediaFiles(dataDir, journal, () => now, silentLog())
    await media.start()
  })
  afterEach(async () => {
    await media.stop()
    await journal.stop()
    await rm(dataDir, { recursive: true })
  })

  it('deletes what came in once the gateway has it', async () => {
    const file = await media.put(randomBytes(1_000), 'image/png')
    await new EventLog(journal, () => now).append(session, aMessage('A', { ...file, mimetype: 'image/png' }))
    now += 2 * 3_600_000
    await media.sweep()
    expect(await media.pathOf(file.sha256)).toContain(file.sha256)
    await media.confirm([file.sha256])
    await expect(media.pathOf(file.sha256)).rejects.toMatchObject({ reason: 'media_missing' })
    expect(await readdir(join(dataDir, 'node-media'))).toEqual([])
  })

  it('waits for a file that is on its way, and sweeps what nothing names', async () => {
    const bytes = randomBytes(1_000)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    let arrive = () => undefined as void
    const arriving = new Promise<void>((resolve) => (arrive = resolve)).then(() => media.put(bytes, 'image/png'))
    media.expect(sha256, arriving)
    const path = media.pathOf(sha256)
    arrive()
    expect(await path).toContain(sha256)
    now += 2 * 3_600_000
    await media.sweep()
    await expect(media.pathOf(sha256)).rejects.toMatchObject({ code: 'not_found' })
  })
})
