interface PageElement {
  textContent: string | null
  click(): void
  closest(selector: string): PageElement | null
}

declare const document: { querySelectorAll(selector: string): Iterable<PageElement> }

/** Presses "Continue" in the dialog that greets a newly linked number. By its words: the markup changes each build. */
export function pressContinue(): boolean {
  for (const button of document.querySelectorAll('button, [role="button"]')) {
    if (button.textContent?.trim() !== 'Continue') continue
    const dialog = button.closest('[role="dialog"], [data-animate-modal-popup]')
    if (!dialog || !/what.s new/i.test(dialog.textContent ?? '')) continue
    button.click()
    return true
  }
  return false
}
