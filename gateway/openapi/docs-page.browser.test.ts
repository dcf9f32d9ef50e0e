import { createRequire } from 'node:module'
import type { Browser } from 'puppeteer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { getChromium } from '../../session-node/whatsapp/wwebjs/chromium.js'
import { ADMIN_KEY, startTestGateway, type TestGateway } from '../../test/gateway.js'

// whatsapp-web.js brings it.
const { default: puppeteer } = createRequire(import.meta.url)('puppeteer') as typeof import('puppeteer')

describe('/api/docs in a browser', () => {
  let test: TestGateway
  let browser: Browser
  beforeAll(async () => {
    test = await startTestGateway({ nodes: 0, config: { publicUrl: 'https://gateway.example.com' } })
    browser = await puppeteer.launch({
      executablePath: getChromium({ chromiumPath: process.env['CHROMIUM_PATH'] }),
      args: ['--no-sandbox', '--disable-background-networking'],
    })
  })
  afterAll(async () => {
    await browser?.close()
    await test.stop()
  })

  it('shows every route and sends a request with a key, with nothing loaded from elsewhere', async () => {
    const page = await browser.newPage()
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (line) => {
      if (line.type() === 'error') problems.push(line.text())
    })
    page.on('request', (request) => {
      const url = request.url()
      if (!url.startsWith(test.gateway.localUrl()) && !url.startsWith('data:')) problems.push(`It asks for ${url}`)
    })
    await page.setViewport({ width: 1280, height: 1000 })
    await page.goto(`${test.gateway.localUrl()}/api/docs`)
    await page.waitForSelector('.opblock', { timeout: 60_000 })
    const document = (await test.ask('GET', '/api/openapi.json')).body
    const routes = Object.values(document.paths as Record<string, object>).flatMap((item) => Object.keys(item))
    const hooks = Object.keys(document.webhooks as object)
    expect(await page.$$('.opblock')).toHaveLength(routes.length + hooks.length)

    if (process.env['DOCS_PICTURE']) await page.screenshot({ path: `${process.env['DOCS_PICTURE']}-0.png` })
    await page.click('.authorize')
    await page.waitForSelector('.auth-container input')
    await page.type('.auth-container input', ADMIN_KEY)
    await page.click('.auth-btn-wrapper .authorize')
    await page.click('.btn-done')
    await page.click('#operations-Sessions-listSessions .opblock-summary-control')
    await page.waitForSelector('#operations-Sessions-listSessions .execute')
    await page.click('#operations-Sessions-listSessions .execute')
    const answer = '#operations-Sessions-listSessions .live-responses-table .response-col_status'
    await page.waitForSelector(`${answer}:not(.col_header)`, { timeout: 60_000 })
    const statuses = await page.$$eval(answer, (cells) => cells.map((cell) => cell.textContent?.trim()))
    if (process.env['DOCS_PICTURE']) await page.screenshot({ path: `${process.env['DOCS_PICTURE']}-1.png` })
    expect(statuses).toContain('200')
    expect(problems).toEqual([])
    await page.close()
  })
})
