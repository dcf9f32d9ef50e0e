import { describe, expect, it } from 'vitest'
import { browserFlags, browserProblem, findChromium } from './chromium.js'

describe('the browser', () => {
  it('is the one that is named, and it must be a program', () => {
    expect(findChromium({ chromiumPath: process.execPath })).toBe(process.execPath)
    expect(findChromium({ chromiumPath: import.meta.filename })).toBeUndefined()
    expect(browserProblem({ chromiumPath: '/nowhere' })).toBe('CHROMIUM_PATH names no executable file: /nowhere')
    expect(browserProblem({ chromiumPath: process.execPath })).toBeUndefined()
  })

  it('runs in its sandbox unless that is switched off, and takes flags of its own', () => {
    expect(browserFlags({}, 'ses_1')).not.toContain('--no-sandbox')
    const flags = browserFlags({ noSandbox: true, chromiumArgs: ['--lang=de'] }, 'ses_1')
    expect(flags).toContain('--no-sandbox')
    expect(flags).toContain('--switchboard-session=ses_1')
    expect(flags.at(-1)).toBe('--lang=de')
  })
})
