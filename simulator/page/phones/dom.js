/** An element with properties and children: `element('p', { className: 'quiet' }, 'words')`. */
export function element(tag, properties = {}, ...children) {
  const made = document.createElement(tag)
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith('aria-') || name === 'role') made.setAttribute(name, value)
    else made[name] = value
  }
  made.append(...children.filter((child) => child !== null && child !== undefined))
  return made
}

/**
 * Makes a list show these items, in this order, and touches only what has changed: so the focus stays where it is and a
 * screen reader hears no more than what is new.
 */
export function showList(list, items, keyOf, draw) {
  const shown = new Map([...list.children].map((child) => [child.dataset.key, child]))
  items.forEach((item, index) => {
    const key = keyOf(item)
    const state = JSON.stringify(item)
    let child = shown.get(key)
    shown.delete(key)
    if (child?.dataset.state !== state) {
      const fresh = draw(item)
      fresh.dataset.key = key
      fresh.dataset.state = state
      const focused = child?.contains(document.activeElement)
      child?.replaceWith(fresh)
      if (focused) fresh.querySelector('button')?.focus()
      child = fresh
    }
    if (list.children[index] !== child) list.insertBefore(child, list.children[index] ?? null)
  })
  for (const gone of shown.values()) gone.remove()
}

export function timeOf(at) {
  return new Date(at).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit' })
}
