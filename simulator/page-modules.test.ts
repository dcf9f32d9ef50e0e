import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'

const pageFolder = new URL('./page/web/', import.meta.url)
const library = join(dirname(createRequire(import.meta.url).resolve('whatsapp-web.js')), 'src')

/** What the simulator leaves out, by area: a test that needs one of these gets an error that names it. */
const LEFT_OUT = {
  channels: /Newsletter/,
  status: /Status(Msg|Gating)|RevokeStatus/,
  'scheduled events': /Event(Edit|Response|CallLink)/,
  'pinned messages': /Pin(Msg|Message|InChat)/,
  'group administration':
    /^WASmax|GroupCreate|GroupInvite|ModifyParticipants|SetPropertyGroup|MembershipApproval|WAWebChatSendMessages/,
  business: /Biz|BotMessage|BotProfile|Note/,
  'address book': /(Save|Delete)ContactAction|BlockContact|FindCommonGroups/,
  settings: /UserPrefs(General|Notifications)/,
  'history on demand': /NonMessageDataRequest/,
  'windows of the interface': /DrawerManager|ChatMessageSearch/,
  'small tables':
    /WAJids|WAPhoneFindCC|WAWebL10N|CountriesNative|PlaceholderMessageResend|WAWebMediaUpdateMsg|MsgDataFromModel|MediaCalculateFilehash|WAWebContactCollection/,
}

function namesIn(folder: string, pattern: RegExp): Set<string> {
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.js'))
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8'))
  return new Set(texts.flatMap((text) => [...text.matchAll(pattern)].flatMap(([, name]) => name ?? [])))
}

describe('the modules of the page', () => {
  it('are all that whatsapp-web.js asks for, but for areas that are left out on purpose', () => {
    const asked = namesIn(library, /require\(\s*'(WA\w+)'/g)
    const written = namesIn(pageFolder.pathname, /(?:define\('|^ {2})(WA\w+)/gm)
    const patterns = Object.values(LEFT_OUT)
    const missing = [...asked].filter((name) => !written.has(name) && !patterns.some((pattern) => pattern.test(name)))
    expect(missing).toEqual([])
  })

  it('throw by name on what nobody has written, and keep marks that others leave on them', () => {
    const script = `
      const { define, require } = await import(${JSON.stringify(new URL('require.js', pageFolder).href)})
      define('WAWebThing', { act: () => 'done' })
      const message = (run) => { try { return run() } catch (error) { return error.message } }
      const thing = require('WAWebThing')
      const before = thing.__mark
      thing.__mark = true
      thing.act = () => 'replaced'
      console.log(JSON.stringify([
        message(() => require('WAWebNothing')),
        message(() => thing.fly()),
        before, thing.__mark, require('WAWebThing').act(),
      ]))`
    const told = execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
    expect(JSON.parse(told)).toEqual([
      'The simulator has no module WAWebNothing: write it in simulator/page/web',
      "The simulator's module WAWebThing has no fly: write it in simulator/page/web",
      null,
      true,
      'replaced',
    ])
  })
})
