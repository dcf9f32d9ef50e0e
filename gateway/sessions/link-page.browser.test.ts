import { createRequire } from 'node:module'
import type { Browser, Page } from 'puppeteer'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { getChromium } from '../../session-node/whatsapp/wwebjs/chromium.js'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'
import { readQr } from '../../test/qr.js'

// whatsapp-web.js brings it.
const { default: puppeteer } = createRequire(import.meta.url)('puppeteer') as typeof import('puppeteer')

describe('the link page in a browser', () => {
  let test: TestGateway
  let browser: Browser
  beforeAll(async () => {
    test = await startTestGateway()
    browser = await puppeteer.launch({
      executablePath: getChromium({ chromiumPath: process.env['CHROMIUM_PATH'] }),
      args: ['--no-sandbox', '--disable-background-networking'],
    })
  })
  afterAll(async () => {
    await browser?.close()
    await test.stop()
  })

  // What runs in the page is text: its types are not those of Node.
  const says = (page: Page, text: string) =>
    page.waitForFunction(`document.getElementById('status').textContent.includes(${JSON.stringify(text)})`, {
      timeout: 20_000,
    })

  it('takes a person on a phone from the code to the linked number, and back to a new code, without a reload', async () => {
    const made = (await test.ask('POST', '/api/v1/sessions', { name: 'shop', engine: 'sandbox' })).body
    const { url } = (await test.ask('POST', `/api/v1/sessions/${made.id}/link`)).body
    const page = await browser.newPage()
    const problems: string[] = []
    page.on('pageerror', (error) => problems.push(String(error)))
    page.on('console', (line) => {
      if (line.type() === 'error' || line.type() === 'warn') problems.push(line.text())
    })
    await page.setViewport({ width: 360, height: 740, deviceScaleFactor: 2 })
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }])
    await page.goto(url)
    await page.evaluate('window.notReloaded = true')

    await says(page, 'Scan this code with WhatsApp')
    const { body } = await test.ask('GET', `/api/v1/sessions/${made.id}/qr`)
    expect(readQr(Buffer.from(await page.screenshot()))).toBe(body.qr)
    expect(await page.$eval('#name', (name) => name.textContent)).toBe('shop')
    expect(Number(await page.$eval('#seconds', (seconds) => seconds.textContent))).toBeGreaterThan(0)
    const width = await page.evaluate('document.documentElement.scrollWidth')
    expect(width).toBeLessThanOrEqual(360)

    await test.ask('POST', `/api/v1/sessions/${made.id}/stop`)
    await says(page, 'stopped')
    await page.click('#again')
    await says(page, 'Scan this code with WhatsApp')

    await test.ask('POST', `/api/v1/sessions/${made.id}/sandbox/pair`, { phone: '+4915112345678' })
    await says(page, 'Linked as +4915112345678')
    expect(await page.evaluate("document.getElementById('qr').hidden")).toBe(true)
    expect(await page.evaluate('window.notReloaded')).toBe(true)
    expect(problems).toEqual([])
    await page.close()
  })
})
