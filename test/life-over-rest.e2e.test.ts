import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PICTURE, VOICE } from '../simulator/fixtures.js'
import type { Phone } from '../simulator/simulator-client.js'
import { emptyDatabase } from './databases.js'
import { type Network, type NetworkOptions, startNetwork } from './network.js'
import { bytesOfDataUrl, readQr } from './qr.js'
import { until } from './until.js'

const SHOP = '4915100000001'
const ANNA = '4915100000002'
const NOBODY = '4915100000009'
// Real numbers wait some seconds between messages; that is tested where it is made.
const pacing = { gapMs: 0, jitterMs: 0, messagesPerDay: 0 }
const BODY = 'canary: your order 77 is on its way \u{1F69A}'

const shapes: [string, () => Promise<NetworkOptions>][] = [
  ['in one process on SQLite', () => Promise.resolve({ simulator: { keyShape: '_serialized', addressing: 'c.us' } })],
  [
    'in four processes with two nodes on MariaDB',
    async () => ({
      processes: 2,
      databaseUrl: (await emptyDatabase({ name: 'MariaDB' })).url,
      simulator: { keyShape: '$1', addressing: 'lid' },
    }),
  ],
]

describe.each(shapes)('the life of a session over REST, %s', (_, options) => {
  let network: Network
  let shop: Phone
  let anna: Phone
  const seenQrs: string[] = []

  beforeAll(async () => {
    network = await startNetwork(await options())
    shop = await network.simulator.whatsapp.phone(SHOP, { name: 'Shop' })
    anna = await network.simulator.whatsapp.phone(ANNA, { name: 'Anna' })
  })
  afterAll(() => network.stop([BODY, ...seenQrs]))

  const session = async (name = 'shop') => (await network.rest.get(`/sessions/${name}`)).body
  const inStatus = (status: string, name = 'shop') =>
    until(`${name} is ${status}`, async () => {
      const seen = await session(name)
      return seen.status === status && seen
    })
  const message = async (id: string) => (await network.rest.get(`/messages/${id}`)).body
  const moved = (id: string, status: string) =>
    until(`${id} is ${status}`, async () => {
      const seen = await message(id)
      return seen.status === status && seen
    })
  async function send(content: Record<string, unknown>, name = 'shop') {
    const { status, body } = await network.rest.post(`/sessions/${name}/messages`, { to: `+${ANNA}`, ...content })
    expect([status, body.code, body.detail]).toEqual([202, undefined, undefined])
    return body.id as string
  }
  const received = (what: string, fits: (message: Record<string, unknown>) => unknown) =>
    until(`received: ${what}`, async () => {
      const { body } = await network.rest.get('/messages?session=shop&direction=in&limit=100')
      return (body.data as Record<string, unknown>[]).find(fits)
    })
  async function qr(): Promise<string> {
    const text = await until('a QR code', async () => {
      const { status, body } = await network.rest.get('/sessions/shop/qr', { accept: 'application/json' })
      return status === 200 && body
    })
    expect(readQr(bytesOfDataUrl(text.image))).toBe(text.qr)
    seenQrs.push(text.qr)
    return text.qr
  }

  it('links a number by the QR code that it shows', async () => {
    const made = await network.rest.post('/sessions', { name: 'shop', pacing })
    expect([made.status, made.body.code]).toEqual([201, undefined])
    expect(made.body).toMatchObject({ name: 'shop', engine: 'wwebjs' })
    await inStatus('qr_pending')
    await qr()
    const png = await network.rest.bytes('/sessions/shop/qr', { accept: 'image/png' })
    await shop.scan(readQr(png.bytes))
    expect(await inStatus('connected')).toMatchObject({ phone: `+${SHOP}`, pushName: 'Shop' })
    const { status } = await network.rest.get('/sessions/shop/qr')
    expect(status).toBe(409)
  })

  it('sends a text under an id chosen before, and follows it until it is read', async () => {
    const id = await send({ type: 'text', text: { body: BODY }, reference: 'order-77' })
    const arrived = await anna.receivedText(BODY)
    const { waMessageId } = await message(id)
    expect(arrived.id).toBe(waMessageId)
    await moved(id, 'delivered')
    await anna.read(shop.id)
    const read = await moved(id, 'read')
    expect(read).toMatchObject({ origin: 'api', direction: 'out', to: `+${ANNA}`, reference: 'order-77' })
    expect(read.history.map(({ status }: { status: string }) => status)).toEqual([
      'pending',
      'sent',
      'delivered',
      'read',
    ])
    expect(read.sentAt <= read.deliveredAt && read.deliveredAt <= read.readAt).toBe(true)
  })

  it('waits for the result when asked to', async () => {
    const sent = await network.rest.post(
      '/sessions/shop/messages',
      { to: ANNA, type: 'text', text: { body: 'at once' } },
      { prefer: 'wait=20' },
    )
    expect(sent.status).toBe(200)
    expect(['sent', 'delivered']).toContain(sent.body.status)
    expect(sent.headers.get('preference-applied')).toBe('wait=20')
  })

  it('sends every kind of media, byte by byte', async () => {
    const image = { base64: PICTURE.base64, mimetype: 'image/png', filename: 'dot.png' }
    const audio = { base64: VOICE.base64, mimetype: 'audio/wav' }
    const uploaded = await network.rest.upload('/media', new Blob(['%PDF-1.4\n%%EOF']), 'bill.pdf')
    expect(uploaded.status).toBe(201)
    const sent = [
      await send({ type: 'image', image: { ...image, caption: 'look' } }),
      await send({ type: 'audio', audio }),
      await send({ type: 'voice', voice: audio }),
      await send({ type: 'sticker', sticker: image }),
      await send({ type: 'document', document: { id: uploaded.body.id, filename: 'bill.pdf' } }),
    ]
    for (const id of sent) await moved(id, 'delivered')
    const picture = await anna.message(({ type, body }) => type === 'image' && body === 'look')
    expect((await network.simulator.whatsapp.media(picture.media?.sha256 ?? '')).toString('base64')).toBe(
      PICTURE.base64,
    )
    expect((await anna.message(({ type }) => type === 'voice')).media?.mimetype).toMatch(/^audio\//)
    expect((await anna.message(({ type }) => type === 'document')).media).toMatchObject({
      filename: 'bill.pdf',
      size: 14,
    })
    expect((await anna.message(({ type }) => type === 'sticker')).media?.mimetype).toBe('image/webp')
  })

  it('sends a place, a contact, a poll, a reply and a reaction', async () => {
    await send({ type: 'location', location: { latitude: 52.5, longitude: 13.4, name: 'Here' } })
    expect((await anna.message(({ type }) => type === 'location')).location).toMatchObject({ latitude: 52.5 })
    await send({ type: 'contacts', contacts: [{ name: 'Ada', phones: ['+4915100000003'] }] })
    expect((await anna.message(({ type }) => type === 'contacts')).contacts?.[0]?.vcard).toContain('Ada')
    const poll = await send({ type: 'poll', poll: { question: 'Tea?', options: ['yes', 'no'] } })
    const shown = await anna.message(({ type }) => type === 'poll')
    expect(shown.poll).toMatchObject({ question: 'Tea?', options: ['yes', 'no'], multiple: false })
    await moved(poll, 'delivered')
    await anna.sendText(shop.id, 'how much?')
    const question = await received(
      'how much?',
      ({ text }) => (text as { body: string } | undefined)?.body === 'how much?',
    )
    const reply = await send({ type: 'text', text: { body: 'ten' }, replyTo: question.id })
    await moved(reply, 'delivered')
    expect((await anna.receivedText('ten')).quoted).toMatchObject({ body: 'how much?' })
    const reaction = await send({ type: 'reaction', reaction: { messageId: question.id, emoji: '👍' } })
    await until('the reaction', async () =>
      (await anna.messages()).find(({ reactions }) => reactions?.some(({ emoji }) => emoji === '👍')),
    )
    await until('the reaction is sent', async () => (await message(reaction)).status !== 'pending')
  })

  it('receives every kind with its media', async () => {
    await anna.sendText(shop.id, 'grüezi \u{1F600}')
    const text = await received(
      'text',
      (each) => (each.text as { body: string } | undefined)?.body === 'grüezi \u{1F600}',
    )
    expect(text).toMatchObject({ direction: 'in', origin: 'contact', from: `+${ANNA}`, chatId: `${ANNA}@c.us` })
    await anna.sendImage(shop.id, PICTURE, { caption: 'mine' })
    const image = await received('image', ({ type }) => type === 'image')
    const file = await until('the file is here', async () => {
      const { id } = image.image as { id: string }
      const got = await network.rest.bytes(`/media/${id}`)
      return got.status === 200 && got
    })
    expect(file.bytes.toString('base64')).toBe(PICTURE.base64)
    expect(file.headers.get('content-type')).toBe('image/png')
    for (const type of ['video', 'audio', 'voice', 'document', 'sticker'] as const) {
      await anna.send(shop.id, { type, media: { ...PICTURE, filename: `a.${type}` } })
      await received(type, (each) => each.type === type)
    }
    await anna.send(shop.id, { type: 'location', latitude: 1.5, longitude: -2.5 })
    expect((await received('location', ({ type }) => type === 'location')).location).toMatchObject({ latitude: 1.5 })
    await anna.send(shop.id, { type: 'poll', question: 'Or coffee?', options: ['a', 'b'], multiple: true })
    expect((await received('poll', ({ type }) => type === 'poll')).poll).toMatchObject({ question: 'Or coffee?' })
    await anna.send(shop.id, { type: 'contacts', contacts: [{ name: 'Bo', number: '4915100000004' }] })
    expect((await received('contacts', ({ type }) => type === 'contacts')).contacts).toMatchObject([{ name: 'Bo' }])
  })

  it('ends as failed, with nothing sent, when the number is not on WhatsApp', async () => {
    const before = (await network.simulator.whatsapp.wire()).length
    const id = await send({ to: NOBODY, type: 'text', text: { body: 'hello?' } })
    expect(await moved(id, 'failed')).toMatchObject({ reason: 'not_on_whatsapp' })
    expect((await network.simulator.whatsapp.wire()).length).toBe(before)
    const { body } = await network.rest.get(`/sessions/shop/numbers/${NOBODY}`)
    expect(body).toMatchObject({ onWhatsapp: false })
    expect((await network.rest.get(`/sessions/shop/numbers/${ANNA}`)).body).toMatchObject({ onWhatsapp: true })
  })

  it('is connected again without a new QR after its browser is killed', async () => {
    const [browser] = network.browsers()
    expect(network.browsers()).toHaveLength(1)
    process.kill(browser?.pid ?? 0, 'SIGKILL')
    await until('the crash is noticed', async () => (await session()).status !== 'connected')
    const id = await send({ type: 'text', text: { body: 'after the crash' } })
    await inStatus('connected')
    await anna.receivedText('after the crash')
    await moved(id, 'delivered')
    expect(network.browsers()).toHaveLength(1)
    expect(network.browsers()[0]?.pid).not.toBe(browser?.pid)
  })

  it('stops without a browser left behind, and starts without a new QR', async () => {
    await network.rest.post('/sessions/shop/stop')
    expect(await inStatus('stopped')).toMatchObject({ reason: 'stopped_by_request' })
    expect(network.browsers()).toEqual([])
    const refused = await network.rest.post('/sessions/shop/messages', { to: ANNA, type: 'text', text: { body: 'x' } })
    expect([refused.status, refused.body.code]).toEqual([409, 'not_ready'])
    await network.rest.post('/sessions/shop/start')
    expect(await inStatus('connected')).toMatchObject({ phone: `+${SHOP}` })
  })

  it('notices that the phone logged it out, and links again', async () => {
    await shop.logout()
    expect(await inStatus('logged_out')).toMatchObject({ reason: 'logged_out_by_phone' })
    await network.rest.post('/sessions/shop/start')
    await inStatus('qr_pending')
    await shop.scan(await qr())
    await inStatus('connected')
    await send({ type: 'text', text: { body: 'back again' } })
    await anna.receivedText('back again')
  })

  it('lets two linked numbers chat with each other, one of them linked by a pairing code', async () => {
    const made = await network.rest.post('/sessions', { name: 'anna', pacing })
    expect(made.status).toBe(201)
    await inStatus('qr_pending', 'anna')
    const { body } = await network.rest.post('/sessions/anna/pairing-code', { phone: ANNA })
    await anna.linkWithCode(body.code)
    await inStatus('connected', 'anna')
    const [a, b] = [await session(), await session('anna')]
    if (network.processes.has('node-2')) expect(a.node).not.toBe(b.node)
    await send({ type: 'text', text: { body: 'from shop to anna' } })
    await until('it arrives as a message of the other session', async () => {
      const { body: list } = await network.rest.get('/messages?session=anna&direction=in')
      return list.data.some(({ text }: { text?: { body: string } }) => text?.body === 'from shop to anna')
    })
  })

  it('deletes a session with its profile, and unlinks it on the phone', async () => {
    const { id } = await session()
    expect((await network.rest.delete('/sessions/shop')).status).toBe(204)
    expect((await network.rest.get('/sessions/shop')).status).toBe(404)
    expect((await shop.info()).devices).toBe(0)
    const roots = network.processes.has('main')
      ? [network.dataDir]
      : ['node-1', 'node-2'].map((n) => join(network.dataDir, n))
    await until('the profile is gone from the disk', async () => {
      const folders = roots.flatMap((root) => ['profiles', 'trash'].map((name) => join(root, name)))
      const kept = await Promise.all(folders.filter((folder) => existsSync(folder)).map((folder) => readdir(folder)))
      return !kept.flat().some((name) => name.includes(id))
    })
    expect((await network.rest.get('/messages?limit=1')).body.data).toHaveLength(1)
  })
})
