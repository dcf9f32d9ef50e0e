/** Handlers by event name; kept outside the object so that nothing of it shows when the object is serialized. */
const handlers = new WeakMap()

export class Events {
  /** `names` may hold several events separated by spaces, as whatsapp-web.js uses it. */
  on(names, handler) {
    for (const name of names.split(' ')) {
      const table = tableOf(this)
      table.set(name, [...(table.get(name) ?? []), handler])
    }
    return this
  }

  once(name, handler) {
    const once = (...args) => {
      this.off(name, once)
      handler(...args)
    }
    return this.on(name, once)
  }

  off(name, handler) {
    const table = tableOf(this)
    table.set(
      name,
      (table.get(name) ?? []).filter((each) => each !== handler),
    )
    return this
  }

  trigger(name, ...args) {
    for (const handler of tableOf(this).get(name) ?? []) handler(...args)
    return this
  }

  listensTo(name) {
    return (tableOf(this).get(name) ?? []).length > 0
  }
}

/** Resolves once somebody listens to this event of this object: what is told before that, nobody hears. */
export function untilHeard(target, name) {
  return new Promise((resolve) => {
    if (target.listensTo(name)) return resolve()
    const on = target.on
    const watched = function (names, handler) {
      on.call(this, names, handler)
      if (names.split(' ').includes(name)) {
        delete target.on
        resolve()
      }
      return this
    }
    Object.defineProperty(target, 'on', { value: watched, configurable: true })
  })
}

function tableOf(target) {
  let table = handlers.get(target)
  if (!table) handlers.set(target, (table = new Map()))
  return table
}
