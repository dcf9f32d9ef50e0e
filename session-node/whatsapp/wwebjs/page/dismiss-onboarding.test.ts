import { afterEach, expect, it, vi } from 'vitest'
import { pressContinue } from './dismiss-onboarding.js'

afterEach(() => vi.unstubAllGlobals())

function show(buttonText: string, dialogText: string | undefined) {
  const click = vi.fn()
  const dialog = dialogText === undefined ? null : { textContent: dialogText }
  const button = { textContent: buttonText, click, closest: () => dialog }
  vi.stubGlobal('document', { querySelectorAll: () => [button] })
  return click
}

it('presses Continue in the dialog that greets a new device', () => {
  const click = show(' Continue ', 'What’s new on WhatsApp Web …')
  expect(pressContinue()).toBe(true)
  expect(click).toHaveBeenCalledOnce()
})

it.each([
  ['Continue', undefined],
  ['Continue', 'Report this chat?'],
  ['Log out', 'What’s new on WhatsApp Web'],
])('leaves %s in the dialog %s alone', (buttonText, dialogText) => {
  const click = show(buttonText, dialogText)
  expect(pressContinue()).toBe(false)
  expect(click).not.toHaveBeenCalled()
})
