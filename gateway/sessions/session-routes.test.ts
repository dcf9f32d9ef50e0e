import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Answer, startTestGateway, type TestGateway } from '../../test/gateway.js'
import { databases } from '../../test/databases.js'
import { bytesOfDataUrl, readQr } from '../../test/qr.js'
import { until } from '../../test/until.js'

const SESSIONS = '/api/v1/sessions'
let number = 0
const aName = () => `s${++number}`

describe.each(databases())('sessions over REST on $name', (target) => {
  let test: TestGateway
  beforeAll(async () => {
    test = await startTestGateway({ target })
  })
  afterAll(() => test.stop())

  const create = async (wanted: Record<string, unknown> = {}): Promise<Answer['body']> => {
    const { status, body } = await test.ask('POST', SESSIONS, { name: aName(), engine: 'sandbox', ...wanted })
    expect({ status, body }).toMatchObject({ status: 201 })
    return body
  }
  const reads = (session: { id: string }, status: string) =>
    until(`${session.id} reads ${status}`, async () => {
      const { body } = await test.ask('GET', `${SESSIONS}/${session.id}`)
      return body.status === status ? body : undefined
    })

  it('lives through create, QR, pair, stop, start, logout and delete', async () => {
    const made = await create({ sandbox: { phone: '+49 1511 1111111' }, metadata: { shop: 'a' } })
    expect(made).toMatchObject({
      engine: 'sandbox',
      metadata: { shop: 'a' },
      node: expect.stringMatching(/^nod_/) as string,
    })
    const path = `${SESSIONS}/${made.name}`

    const qr = await test.ask('GET', `${path}/qr`)
    expect(qr).toMatchObject({ status: 200, body: { qr: expect.any(String) as string } })
    expect(Date.parse(qr.body.expiresAt)).toBeGreaterThan(Date.now())
    expect(readQr(bytesOfDataUrl(qr.body.image))).toBe(qr.body.qr)

    expect((await test.ask('POST', `${path}/sandbox/pair`, { phone: '+4915111111111' })).status).toBe(204)
    expect(await reads(made, 'connected')).toMatchObject({
      phone: '+4915111111111',
      connectedAt: expect.any(String) as string,
    })
    expect(await test.ask('GET', `${path}/qr`)).toMatchObject({ status: 409, body: { code: 'already_linked' } })

    expect(await test.ask('POST', `${path}/stop`)).toMatchObject({ status: 200, body: { status: 'stopped' } })
    expect(await test.ask('GET', `${path}/qr`)).toMatchObject({ status: 409, body: { code: 'qr_not_available' } })
    expect((await test.ask('POST', `${path}/start`)).status).toBe(200)
    await reads(made, 'connected')
    expect((await test.ask('POST', `${path}/restart`, {})).status).toBe(200)
    await reads(made, 'connected')

    expect((await test.ask('POST', `${path}/logout`)).status).toBe(200)
    expect(await reads(made, 'logged_out')).toMatchObject({ reason: 'logged_out_by_request' })
    expect((await test.ask('DELETE', path)).status).toBe(204)
    expect(await test.ask('GET', path)).toMatchObject({ status: 404, body: { code: 'session_not_found' } })
    expect((await create({ name: made.name })).id).not.toBe(made.id)
  })

  it('shows a QR as PNG, SVG and live, each new one and the end', async () => {
    const made = await create()
    const accept = (type: string) => test.fetch(`${SESSIONS}/${made.id}/qr`, { headers: { Accept: type } })
    const [json, png, svg] = await Promise.all(['application/json', 'image/png', 'image/svg+xml'].map(accept))
    const { qr } = (await json?.json()) as { qr: string }
    expect(readQr(Buffer.from((await png?.arrayBuffer()) ?? new ArrayBuffer(0)))).toBe(qr)
    expect(svg?.headers.get('content-type')).toMatch(/^image\/svg\+xml/)
    expect(await svg?.text()).toMatch(/^<svg/)

    const stream = await accept('text/event-stream')
    expect(stream.headers.get('content-type')).toMatch(/^text\/event-stream/)
    await test.ask('POST', `${SESSIONS}/${made.id}/sandbox/pair`, { phone: '15550111' })
    const text = await stream.text()
    expect(text).toMatch(/event: qr\ndata: {"qr":/)
    expect(text).toMatch(/event: status\ndata: {"status":"connected".*"phone":"\+15550111"/)
  })

  it('lets one of many creators of a name win, the others get a conflict', async () => {
    const name = aName()
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => test.ask('POST', SESSIONS, { name, engine: 'sandbox' })),
    )
    expect(answers.map(({ status }) => status).toSorted()).toEqual([201, 409, 409, 409, 409, 409, 409, 409])
    expect(answers.find(({ status }) => status === 409)?.body).toMatchObject({ code: 'session_exists' })
    const { body } = await test.ask('GET', `${SESSIONS}?limit=500`)
    expect(body.data.filter((session: { name: string }) => session.name === name)).toHaveLength(1)
  })

  it('changes pacing and metadata while it runs', async () => {
    const made = await create()
    const path = `${SESSIONS}/${made.id}`
    const changed = await test.ask('PATCH', path, { pacing: { gapMs: 10 }, metadata: { a: 'b' } })
    expect(changed).toMatchObject({ status: 200, body: { pacing: { gapMs: 10, jitterMs: 0 }, metadata: { a: 'b' } } })
    const { sessions } = await test.nodes[0]!.client.call('ListSessions', {})
    expect(sessions.find(({ sessionId }) => sessionId === made.id)?.pacing).toMatchObject({ gapMs: 10 })
    expect((await test.ask('PATCH', path, {})).status).toBe(400)
  })

  it('lists by status and page', async () => {
    const ids = [(await create({ start: false })).id, (await create({ start: false })).id]
    const first = await test.ask('GET', `${SESSIONS}?status=created&limit=1`)
    expect(first.body.data).toHaveLength(1)
    const seen: string[] = []
    for (let cursor = ''; ;) {
      const { body } = await test.ask('GET', `${SESSIONS}?status=created&limit=1${cursor}`)
      seen.push(...body.data.map(({ id }: { id: string }) => id))
      if (!body.nextCursor) break
      cursor = `&cursor=${body.nextCursor}`
    }
    expect(seen).toEqual(expect.arrayContaining(ids))
    expect(new Set(seen).size).toBe(seen.length)
  })

  it('gives a pairing code to a session that waits for its link, and checks numbers of one that is linked', async () => {
    const made = await create()
    const path = `${SESSIONS}/${made.id}`
    await reads(made, 'qr_pending')
    const code = await test.ask('POST', `${path}/pairing-code`, { phone: '+49 151 2345678' })
    expect(code).toMatchObject({
      status: 200,
      body: { code: expect.stringMatching(/^[A-Z0-9]{8}$/) as string, phone: '+491512345678' },
    })
    expect(await test.ask('POST', `${path}/pairing-code`, { phone: 'me' })).toMatchObject({
      status: 400,
      body: { code: 'invalid_number' },
    })
    await test.ask('POST', `${path}/sandbox/pair`, {})
    await reads(made, 'connected')
    expect(await test.ask('POST', `${path}/pairing-code`, { phone: '+491512345678' })).toMatchObject({ status: 409 })
    expect(await test.ask('GET', `${path}/numbers/+491512345678`)).toMatchObject({
      status: 200,
      body: { phone: '+491512345678', onWhatsapp: true, chatId: '491512345678@c.us' },
    })
    expect(await test.ask('GET', `${path}/numbers/nobody`)).toMatchObject({
      status: 400,
      body: { code: 'invalid_number' },
    })
  })

  it('takes the short paths for the session called default', async () => {
    const begun = await test.ask('POST', `${SESSIONS}/init`, { engine: 'sandbox' })
    expect(begun).toMatchObject({ status: 200, body: { session: { name: 'default', status: 'qr_pending' } } })
    expect(begun.body.image).toMatch(/^data:image\/png;base64,/)
    await test.ask('POST', `${SESSIONS}/default/sandbox/pair`, { phone: '15550199' })
    await reads(begun.body.session, 'connected')
    expect((await test.ask('POST', `${SESSIONS}/init`)).body).toMatchObject({
      session: { status: 'connected', phone: '+15550199' },
    })
    expect((await test.ask('GET', `${SESSIONS}/status`)).body).toMatchObject({ name: 'default', status: 'connected' })
    expect((await test.ask('POST', `${SESSIONS}/disconnect`)).body).toMatchObject({
      name: 'default',
      status: 'stopped',
    })
    expect((await test.ask('GET', `${SESSIONS}/status?session=nobody`)).status).toBe(404)
  })

  it.each<[string, unknown, string]>([
    ['a name with a capital', { name: 'Shop', engine: 'sandbox' }, 'invalid_request'],
    ['a name that is a path', { name: 'init', engine: 'sandbox' }, 'invalid_request'],
    ['a name like an id', { name: 'ses_x', engine: 'sandbox' }, 'invalid_request'],
    ['an engine nobody has', { name: 'x', engine: 'baileys' }, 'invalid_request'],
    ['sandbox options for a real session', { name: 'x', sandbox: {} }, 'invalid_request'],
    ['a gap below zero', { name: 'x', engine: 'sandbox', pacing: { gapMs: -1 } }, 'invalid_request'],
    ['a phone that is none', { name: 'x', engine: 'sandbox', sandbox: { phone: 'me' } }, 'invalid_request'],
    ['nothing', undefined, 'invalid_request'],
  ])('refuses %s', async (_, body, code) => {
    expect(await test.ask('POST', SESSIONS, body)).toMatchObject({ status: 400, body: { code } })
  })

  it('finds nothing at names that are paths, or no names', async () => {
    const refs = ['../../etc/passwd', '..%2f..%2fetc%2fpasswd', '%00', '%zz', 'x'.repeat(5_000), 'CON', 'ses_01', 'ünï']
    for (const ref of refs) {
      const { status } = await test.ask('GET', `${SESSIONS}/${ref}`)
      expect({ ref: ref.slice(0, 30), status }).toEqual({ ref: ref.slice(0, 30), status: 404 })
    }
  })

  it('lets a key do only what its scopes and sessions allow', async () => {
    const [mine, other] = [await create(), await create()]
    const readOnly = await test.gateway.issueKey({ name: 'reader', scopes: ['sessions:read'], sessions: [mine.id] })
    expect((await test.ask('GET', `${SESSIONS}/${mine.id}`, undefined, { key: readOnly })).status).toBe(200)
    expect((await test.ask('GET', `${SESSIONS}/${other.id}`, undefined, { key: readOnly })).status).toBe(404)
    expect((await test.ask('GET', SESSIONS, undefined, { key: readOnly })).body.data).toHaveLength(1)
    expect((await test.ask('POST', `${SESSIONS}/${mine.id}/stop`, undefined, { key: readOnly })).status).toBe(403)
  })
})
