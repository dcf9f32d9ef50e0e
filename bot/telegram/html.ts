/** Text for Telegram's HTML mode. */
export function escapeHtml(text: string): string {
  return text.toWellFormed().replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/**
 * HTML with every value escaped, unless it is HTML already. Not called `html`: Prettier would lay out the text as a page
 * and change its blanks.
 */
export function rich(strings: TemplateStringsArray, ...values: (string | number | Html)[]): Html {
  const shown = values.map((value) => (value instanceof Html ? value.text : escapeHtml(String(value))))
  return new Html(strings.reduce((text, part, i) => text + part + (shown[i] ?? ''), ''))
}

export class Html {
  constructor(readonly text: string) {}
}

/** Lines under each other; those that are null are left out. */
export function lines(...parts: (Html | null)[]): Html {
  return new Html(
    parts
      .filter((part) => part !== null)
      .map((part) => part.text)
      .join('\n'),
  )
}

/** Cuts text into pieces of at most `size` UTF-16 units, at a line or word where there is one, never inside a character. */
export function pieces(text: string, size: number): string[] {
  const found: string[] = []
  let rest = text
  while (rest.length > size) {
    const head = rest.slice(0, size)
    const gap = Math.max(head.lastIndexOf('\n'), head.lastIndexOf(' '))
    let cut = gap > size / 2 ? gap + 1 : size
    // The second half of a surrogate pair belongs to the first.
    if (cut === size && /[\uDC00-\uDFFF]/.test(rest[cut] ?? '')) cut -= 1
    found.push(rest.slice(0, cut))
    rest = rest.slice(cut)
  }
  return rest === '' && found.length > 0 ? found : [...found, rest]
}
