import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { LibraryClient, newProfile } from './library-client.js'
import { createSimulator, type Phone } from './simulator.js'

type Page = NonNullable<LibraryClient['client']['pupPage']>

describe('the page with the phones', () => {
  const simulator = createSimulator({ phonesPage: true, qrRotationMs: 600_000 })
  let library: LibraryClient
  let profile: Awaited<ReturnType<typeof newProfile>>
  let page: Page
  let shop: Phone
  let anna: Phone

  beforeAll(async () => {
    await simulator.start()
    shop = await simulator.whatsapp.phone('4915111111111', { name: 'Shop' })
    anna = await simulator.whatsapp.phone('4915122222222', { name: 'Anna' })
    profile = await newProfile()
    library = await new LibraryClient(simulator, profile.path).open()
    const opened = await library.client.pupBrowser?.newPage()
    if (!opened) throw new Error('The browser has no page')
    page = opened
    await page.goto(simulator.address)
    await page.waitForSelector('section[aria-label="Phone of Anna"]')
  })

  afterAll(async () => {
    await library.close()
    await simulator.stop()
    await profile.remove()
  })

  const inPhone = (name: string, selector: string) => `section[aria-label="Phone of ${name}"] ${selector}`

  it('links a phone to the page that shows a QR code, by keyboard alone', async () => {
    await page.focus(inPhone('Shop', '[role=tab]'))
    await page.keyboard.press('ArrowRight')
    await page.waitForSelector(inPhone('Shop', '.waiting button'))
    await page.focus(inPhone('Shop', '.waiting button'))
    await page.keyboard.press('Enter')
    await library.event('ready')
    await page.waitForSelector('#step-link.done')
    expect((await shop.info()).devices).toBe(1)
  })

  it('sends what a person types, and shows the answer and the ticks', async () => {
    await page.select(inPhone('Anna', 'select'), shop.number)
    await page.click(inPhone('Anna', '.chats form button'))
    await page.keyboard.type('Are you open?')
    await page.keyboard.press('Enter')
    const question = await library.message('Are you open?')
    await question.reply('Until eight')
    await page.waitForFunction(
      `document.querySelector('section[aria-label="Phone of Anna"] .messages')?.textContent.includes('Until eight')`,
    )
    await page.waitForFunction(
      `document.querySelector('#announcements').textContent === 'Anna has a message from Shop: Until eight'`,
    )
    await library.client.sendSeen(anna.id)
    await page.waitForSelector(inPhone('Anna', '.tick.read'))
  })

  it('reads an open chat as a person with the phone in hand does, and sends reactions', async () => {
    const sent = await library.client.sendMessage(anna.id, 'Anything else?')
    await library.ack(sent.id.id, 3)
    await page.waitForSelector(inPhone('Anna', '.messages li:last-child .react'))
    await page.click(inPhone('Anna', '.messages li:last-child .react'))
    await library.event('message_reaction')
  })

  it('goes offline, logs out, and gets a new phone beside it', async () => {
    await page.click(inPhone('Anna', '.switch'))
    await page.waitForSelector(`section.off[aria-label="Phone of Anna"]`)
    await page.type('#new-phone [name=name]', 'Dora')
    await page.type('#new-phone [name=number]', '+49 151 44444444')
    await page.keyboard.press('Enter')
    await page.waitForSelector(`section[aria-label="Phone of Dora"]`)
    await page.click(inPhone('Shop', '.devices > button'))
    expect(await library.event('disconnected')).toEqual(['LOGOUT'])
  })

  it('says in a sentence what did not work', async () => {
    await page.evaluate(`document.querySelectorAll('section[aria-label="Phone of Dora"] [role=tab]')[1].click()`)
    await page.type(inPhone('Dora', '[aria-label="Type a pairing code"]'), 'ABCD-EFGH')
    await page.keyboard.press('Enter')
    await page.waitForFunction(
      `document.querySelector('#problem').textContent.startsWith('No page waits for 4915144444444')`,
    )
  })
})
