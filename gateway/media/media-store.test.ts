/** What every store of files does, on each of them. */
import { createHash, randomBytes } from 'node:crypto'
import { access, mkdtemp, readFile, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { buffer } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { newId } from '../../runtime/ids.js'
import { silentLog } from '../../runtime/log.js'
import { S3Server } from '../../test/s3-server.js'
import { IncomingFiles } from './incoming-files.js'
import { LocalMediaStore } from './local-media-store.js'
import { type MediaStore, nameOf } from './media-store.js'
import { S3MediaStore } from './s3-media-store.js'

const hash = (bytes: Buffer) => createHash('sha256').update(bytes).digest('hex')

describe.each(['LocalMediaStore', 'S3MediaStore'] as const)('%s', (kind) => {
  const s3 = new S3Server({ pageSize: 2 })
  let folder: string
  let incoming: IncomingFiles
  let store: MediaStore

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'switchboard-store-'))
    await s3.start()
    incoming = new IncomingFiles(folder)
    store = kind === 'LocalMediaStore' ? new LocalMediaStore(folder) : new S3MediaStore(s3.settings(), silentLog())
    await incoming.start()
    await store.start()
  })
  afterAll(async () => {
    await store.stop()
    await s3.stop()
    await rm(folder, { recursive: true })
  })

  const put = async (bytes: Buffer) => {
    const written = await incoming.receiveFrom([bytes], { kind: 'document' })
    const id = newId('med')
    await store.put(id, written)
    await expect(access(written.path)).rejects.toThrow('ENOENT')
    return id
  }
  const read = async (...asked: Parameters<MediaStore['read']>) => buffer(await store.read(...asked))
  const old = async (before: number) => {
    const found = []
    for await (const file of store.olderThan(before)) found.push(file)
    return found
  }

  it('gives back what it was given, whole and in part, and knows nothing of what it was not', async () => {
    const bytes = randomBytes(3 * 2 ** 20 + 7)
    const id = await put(bytes)
    expect(hash(await read(id))).toBe(hash(bytes))
    expect((await read(id, { start: 5, end: 2 ** 20 })).equals(bytes.subarray(5, 2 ** 20 + 1))).toBe(true)
    expect(await read(await put(Buffer.from('é 🐈')))).toEqual(Buffer.from('é 🐈'))
    await expect(store.read(newId('med'))).rejects.toMatchObject({ code: 'gone', reason: 'media_missing' })
  })

  it('removes one of two files with the same bytes, once and again', async () => {
    const bytes = randomBytes(1_000)
    const first = await put(bytes)
    const second = newId('med')
    await store.copy(first, second)
    // Left by a crash before its row said that it is here.
    await store.copy(first, second)
    await store.remove([first])
    await store.remove([first, newId('med')])
    await expect(store.read(first)).rejects.toMatchObject({ code: 'gone' })
    expect((await read(second)).equals(bytes)).toBe(true)
    await expect(store.copy(first, newId('med'))).rejects.toMatchObject({ code: 'gone' })
  })

  it('lists what came before a time, and only what is its own', async () => {
    const ids = await Promise.all([1, 2, 3].map((size) => put(randomBytes(size))))
    if (kind === 'S3MediaStore') s3.objects.set('files/notes.txt', { bytes: Buffer.from('x'), at: 0 })
    else await writeFile(join(folder, 'notes.txt'), 'x')
    const listed = await old(Date.now() + 10_000)
    expect(listed).toEqual(expect.arrayContaining(ids.map((id, index) => ({ id, size: index + 1 }))))
    expect(listed.every(({ id }) => id.startsWith('med_'))).toBe(true)
    expect(await old(Date.now() - 60_000)).toEqual([])
  })

  it('has names that can be moved from one store to another', async () => {
    const id = await put(Buffer.from('same place'))
    const found =
      kind === 'S3MediaStore' ? s3.objects.get(`files/${nameOf(id)}`)?.bytes : await readFile(join(folder, nameOf(id)))
    expect(String(found)).toBe('same place')
  })
})

describe('LocalMediaStore', () => {
  it('follows no link that somebody put in the place of a file', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'switchboard-store-'))
    const outside = join(folder, 'outside')
    await writeFile(outside, 'of somebody else')
    const store = new LocalMediaStore(join(folder, 'media'))
    const incoming = new IncomingFiles(join(folder, 'media'))
    await incoming.start()
    const id = newId('med')
    await store.put(id, await incoming.receiveFrom([Buffer.from('ours')], { kind: 'document' }))
    await unlink(join(folder, 'media', nameOf(id)))
    await symlink(outside, join(folder, 'media', nameOf(id)))
    await expect(store.read(id)).rejects.toMatchObject({ code: 'gone' })
    await store.remove([id])
    expect(await readFile(outside, 'utf8')).toBe('of somebody else')
    await rm(join(folder, 'media', 'incoming'), { recursive: true })
    await symlink(folder, join(folder, 'media', 'incoming'))
    await expect(incoming.start()).rejects.toThrow('must be a folder, not a link')
    expect(await readFile(outside, 'utf8')).toBe('of somebody else')
    await rm(folder, { recursive: true })
  })
})

describe('S3MediaStore', () => {
  const s3 = new S3Server()
  beforeAll(() => s3.start())
  afterAll(() => s3.stop())

  it('tries again, says when it is away, and keeps the file until then', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'switchboard-store-'))
    const incoming = new IncomingFiles(folder)
    await incoming.start()
    const store = new S3MediaStore(s3.settings(), silentLog())
    await store.start()
    const bytes = randomBytes(100_000)
    const written = await incoming.receiveFrom([bytes], { kind: 'document' })
    const id = newId('med')
    s3.failures.push(503, 503, 503)
    await expect(store.put(id, written)).rejects.toMatchObject({
      code: 'unavailable',
      reason: 'media_store_unavailable',
    })
    s3.failures.push(500, 503)
    await store.put(id, written)
    expect((await buffer(await store.read(id))).equals(bytes)).toBe(true)
    await store.stop()
    await expect(store.read(id)).rejects.toMatchObject({ code: 'unavailable' })
    await rm(folder, { recursive: true })
  })

  it.each([
    ['a wrong secret', { credentials: { accessKeyId: 'TESTKEY', secretAccessKey: 'wrong' } }, 'SignatureDoesNotMatch'],
    ['a bucket that is not there', { bucket: 'other' }, 'NoSuchBucket'],
  ])('does not start with %s, and does when nobody answers', async (_what, changed, answer) => {
    await expect(new S3MediaStore(s3.settings(changed), silentLog()).start()).rejects.toThrow(answer)
    const away = new S3MediaStore(s3.settings({ endpoint: 'http://127.0.0.1:1' }), silentLog())
    await away.start()
    await away.stop()
  })
})
