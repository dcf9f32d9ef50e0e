import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { PICTURE } from '../simulator/fixtures.js'
import type { Phone } from '../simulator/simulator-client.js'
import type { ShownMessage } from './fake-telegram.js'
import { type Network, startNetwork } from './network.js'
import { readQr } from './qr.js'
import { until } from './until.js'

const OPERATOR = 1001
const SHOP = '4915100000001'
const ANNA = '4915100000002'
const BODY = 'canary: see you at six'

describe.each([
  ['in one process', 'one' as const],
  ['in processes of their own', 1],
])('the life of a session over Telegram, %s', (_, processes) => {
  let network: Network
  let shop: Phone
  let anna: Phone

  beforeAll(async () => {
    network = await startNetwork({ processes, operator: OPERATOR })
    shop = await network.simulator.whatsapp.phone(SHOP, { name: 'Shop' })
    anna = await network.simulator.whatsapp.phone(ANNA, { name: 'Anna <3' })
  })
  afterAll(() => network.stop([BODY]))

  const operator = () => network.telegram.user(OPERATOR)
  const chat = () => network.telegram.chat(OPERATOR)
  const says = (text: string) => operator().says(text)
  const told = (matches: string | RegExp | ((message: ShownMessage) => boolean)) => chat().next(matches, 40_000)
  const answerTo = (id: number, matches: RegExp) =>
    told((message) => message.replyTo === id && matches.test(message.text))

  it('shows the QR code of a new session, and in its place that the number is linked', async () => {
    says('/new shop')
    const photo = await told((message) => message.file !== undefined && message.method !== 'sendMessage')
    await shop.scan(readQr(photo.file?.bytes ?? Buffer.alloc(0)))
    const linked = await told(/linked as \+4915100000001/i)
    expect(linked.id).toBe(photo.id)
    says('/status shop')
    await told(/shop[^]*connected/i)
  })

  it('sends a text and edits its answer until it is read', async () => {
    const asked = says(`/send ${ANNA} ${BODY}`)
    await anna.receivedText(BODY)
    const answer = await answerTo(asked, /Delivered ✓✓/)
    await anna.read(shop.id)
    await until('the answer says read', () =>
      /Read/.test(
        chat()
          .messages()
          .find(({ id }) => id === answer.id)?.text ?? '',
      ),
    )
    expect(answer.before.length).toBeGreaterThan(0)
  })

  it('sends a photo with its caption', async () => {
    const bytes = Buffer.from(PICTURE.base64, 'base64')
    const asked = operator().sendsPhoto(bytes, `/send shop ${ANNA} look here`)
    const arrived = await anna.message(({ type }) => type === 'image')
    expect(arrived.body).toBe('look here')
    expect(await network.simulator.whatsapp.media(arrived.media?.sha256 ?? '')).toEqual(bytes)
    await answerTo(asked, /Delivered ✓✓/)
  })

  it('says in words why a message failed', async () => {
    const asked = says('/send 4915100000009 hello?')
    await answerTo(asked, /not on WhatsApp/)
  })

  it('relays what comes in, and sends a reply back as a quoted one', async () => {
    says('/watch shop')
    await told('appears here from now on')
    await anna.sendText(shop.id, 'is <b>Monday</b> fine?')
    const relayed = await told('is <b>Monday</b> fine?')
    expect(relayed.text).toContain('Anna <3')
    operator().repliesTo(relayed, 'Monday it is')
    expect((await anna.receivedText('Monday it is')).quoted).toMatchObject({ body: 'is <b>Monday</b> fine?' })
    await anna.sendImage(shop.id, PICTURE, { caption: 'the map' })
    const picture = await told('the map')
    expect(picture.file?.bytes.toString('base64')).toBe(PICTURE.base64)
  })

  it('puts what Telegram and REST send into one list, with final statuses', async () => {
    const sent = await network.rest.post(
      '/sessions/shop/messages',
      { to: ANNA, type: 'text', text: { body: 'by REST' } },
      { prefer: 'wait=20' },
    )
    expect(sent.status).toBe(200)
    const { data } = await until('all are settled', async () => {
      const { body } = await network.rest.get('/messages?session=shop&direction=out')
      return body.data.every(({ status }: { status: string }) => !['pending', 'unknown'].includes(status)) && body
    })
    const shown = data.map(({ origin, status, text }: { origin: string; status: string; text?: { body: string } }) => [
      origin,
      text?.body,
      status === 'failed',
    ])
    expect(shown).toContainEqual(['telegram', BODY, false])
    expect(shown).toContainEqual(['telegram', 'Monday it is', false])
    expect(shown).toContainEqual(['telegram', 'hello?', true])
    expect(shown).toContainEqual(['api', 'by REST', false])
  })

  it('tells its operators once that the number was unlinked on the phone', async () => {
    await shop.logout()
    const alert = await told(/shop[^]*unlinked on the phone/i)
    expect(
      chat()
        .messages()
        .filter(({ text, id }) => id !== alert.id && /unlinked on the phone/i.test(text)),
    ).toEqual([])
  })

  it('links again, stops, starts without a QR code, and logs out when that is confirmed', async () => {
    const before = new Set(
      chat()
        .messages()
        .map(({ id }) => id),
    )
    says('/qr shop')
    const photo = await told((message) => message.file !== undefined && !before.has(message.id))
    await shop.scan(readQr(photo.file?.bytes ?? Buffer.alloc(0)))
    await until('linked', () =>
      /linked as/i.test(
        chat()
          .messages()
          .find(({ id }) => id === photo.id)?.text ?? '',
      ),
    )
    says('/stop shop')
    await told(/shop[^]*is stopped/i)
    expect(network.browsers()).toEqual([])
    operator().says('/start shop')
    await until(
      'it is connected again',
      async () => (await network.rest.get('/sessions/shop')).body.status === 'connected',
    )
    says('/logout shop')
    await operator().taps('Log out')
    await until('it is logged out', async () => (await network.rest.get('/sessions/shop')).body.status === 'logged_out')
    expect((await shop.info()).devices).toBe(0)
  })

  it('offers in its menu exactly the commands of /help', async () => {
    const asked = says('/help')
    const help = await told((message) => message.id > asked && message.text.includes('/sessions'))
    for (const { command } of network.telegram.commands) expect(help.text).toContain(`/${command}`)
    expect(network.telegram.commands.length).toBeGreaterThan(10)
  })
})
