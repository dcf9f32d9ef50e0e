/**
 * The module loader of the page, as WhatsApp Web offers it: `window.require(name)`.
 *
 * A module or function that nobody has written here throws by name, because a silent `undefined` would let a test pass
 * for the wrong reason. Names that begin with two underscores may be read: code outside the page marks modules so.
 */
const modules = new Map()

export function define(name, exported) {
  modules.set(name, typeof exported === 'object' && isPlain(exported) ? strict(name, exported) : exported)
}

export function defineAll(table) {
  for (const [name, exported] of Object.entries(table)) define(name, exported)
}

export function require(name) {
  if (!modules.has(name)) throw new Error(`The simulator has no module ${name}: write it in simulator/page/web`)
  return modules.get(name)
}

function isPlain(value) {
  return Object.getPrototypeOf(value) === Object.prototype
}

/** What the language itself asks objects for. */
const ASKED_BY_THE_LANGUAGE = new Set(['then', 'toJSON', 'constructor', 'prototype', 'default', 'length', 'name'])

function strict(moduleName, exported) {
  return new Proxy(exported, {
    get(target, property, receiver) {
      if (typeof property === 'symbol' || property in target) return Reflect.get(target, property, receiver)
      if (property.startsWith('__') || ASKED_BY_THE_LANGUAGE.has(property)) return undefined
      throw new Error(`The simulator's module ${moduleName} has no ${property}: write it in simulator/page/web`)
    },
  })
}
