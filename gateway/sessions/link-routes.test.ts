import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { bytesOfDataUrl, readQr } from '../../test/qr.js'

describe('the page behind a link', () => {
  let test: TestGateway
  let now = Date.now()
  beforeAll(async () => {
    test = await startTestGateway({ outside: { clock: () => now } })
  })
  afterAll(() => test.stop())

  let number = 0
  const linkOf = async () => {
    const made = await test.ask('POST', '/api/v1/sessions', { name: `link${++number}`, engine: 'sandbox' })
    const { body } = await test.ask('POST', `/api/v1/sessions/${made.body.id}/link`)
    const url = new URL(body.url)
    return { id: made.body.id as string, url, part: (name: string) => `${url.pathname}/${name}${url.search}` }
  }
  /** Without a key: the link is all that the person has. */
  const open = (path: string, init?: RequestInit) => fetch(test.gateway.localUrl() + path, init)

  it('is small, loads only its own, and has no key or QR in it', async () => {
    const { url } = await linkOf()
    expect(url.origin).toBe(test.gateway.url())
    const page = await open(url.pathname + url.search)
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toMatch(
      /default-src 'none'; script-src 'self'; style-src 'self'/,
    )
    expect(page.headers.get('referrer-policy')).toBe('no-referrer')
    const html = await page.text()
    expect(html).not.toMatch(/swb_|admin-key|https?:\/\/|<script>|style=/)
    for (const [, path] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const file = await open(path ?? '')
      expect({ path, status: file.status }).toEqual({ path, status: 200 })
    }
  })

  it('shows each QR live and says when the number is linked', async () => {
    const { id, part } = await linkOf()
    const stream = await open(part('events'))
    const views: Record<string, string>[] = []
    let text = ''
    let paired = false
    for await (const chunk of stream.body as unknown as AsyncIterable<Uint8Array>) {
      text += Buffer.from(chunk).toString('utf8')
      const whole = text.split('\n\n')
      text = whole.pop() ?? ''
      for (const event of whole) {
        const data = /^data: (.*)$/m.exec(event)?.[1]
        if (data) views.push(JSON.parse(data) as Record<string, string>)
      }
      if (!paired && views.some(({ image }) => image)) {
        paired = true
        await test.ask('POST', `/api/v1/sessions/${id}/sandbox/pair`, { phone: '+49 151 00000001' })
      }
    }
    const shown = views.find(({ image }) => image)
    expect(readQr(bytesOfDataUrl(shown?.['image'] ?? ''))).toMatch(/^sandbox,/)
    expect(shown).toMatchObject({ status: 'qr_pending', expiresInMs: expect.any(Number) as number })
    expect(views.at(-1)).toMatchObject({ status: 'connected', phone: '+4915100000001' })
    expect(views.at(-1)?.['image']).toBeUndefined()
  })

  it('starts a session again when its button asks for a new code', async () => {
    const { id, part } = await linkOf()
    await test.ask('POST', `/api/v1/sessions/${id}/stop`)
    expect((await open(part('start'), { method: 'POST' })).status).toBe(204)
    expect((await test.ask('GET', `/api/v1/sessions/${id}/qr`)).status).toBe(200)
  })

  it('opens neither another session nor anything with a changed signature', async () => {
    const [mine, other] = [await linkOf(), await linkOf()]
    const changed = new URL(mine.url)
    changed.searchParams.set('expires', String(now + 3_600_000_000))
    for (const path of [other.url.pathname + mine.url.search, changed.pathname + changed.search, mine.url.pathname]) {
      const page = await open(path)
      expect(page.status).toBe(404)
      expect(await page.text()).toMatch(/This link is not valid\./)
    }
    const events = await open(`${other.url.pathname}/events${mine.url.search}`)
    expect(await events.json()).toMatchObject({ status: 404, code: 'link_not_valid' })
  })

  it('is gone after a quarter of an hour', async () => {
    const { url, part } = await linkOf()
    now += 16 * 60_000
    const page = await open(url.pathname + url.search)
    expect(page.status).toBe(410)
    expect(await page.text()).toMatch(/This link has expired/)
    expect((await open(part('start'), { method: 'POST' })).status).toBe(410)
  })

  it('serves nothing else from its folder', async () => {
    for (const name of ['problem.html', '..%2f..%2fsession.ts', 'link.html', '%00']) {
      expect((await open(`/link/assets/${name}`)).status).toBe(404)
    }
  })
})
