import { Events } from './events.js'

/** What a model holds and which collections hear of its changes. */
const inner = new WeakMap()

/** An object whose properties announce their changes: `change:name` (model, value, previous), then `change` (model). */
export class Model extends Events {
  /** Names that belong to the running page and are left out when the model is serialized. */
  static session = []

  constructor(attributes = {}) {
    super()
    inner.set(this, { values: {}, collections: new Set() })
    this.set(attributes, { silent: true })
  }

  set(attributes, { silent = false } = {}) {
    const { values } = inner.get(this)
    const changes = []
    for (const [name, value] of Object.entries(attributes)) {
      if (!Object.hasOwn(values, name)) this.#expose(name)
      const previous = values[name]
      if (previous === value) continue
      values[name] = value
      changes.push([name, value, previous])
    }
    if (silent || changes.length === 0) return this
    for (const [name, value, previous] of changes) this.trigger(`change:${name}`, this, value, previous)
    this.trigger('change', this)
    return this
  }

  trigger(name, ...args) {
    super.trigger(name, ...args)
    for (const collection of inner.get(this)?.collections ?? []) collection.trigger(name, ...args)
    return this
  }

  serialize() {
    const plain = {}
    for (const [name, value] of Object.entries(inner.get(this).values)) {
      if (this.constructor.session.includes(name) || value === undefined) continue
      plain[name] = value instanceof Model || value instanceof Collection ? value.serialize() : value
    }
    return plain
  }

  /** Events reach Node through JSON, and a chat or message must arrive there as its plain self. */
  toJSON() {
    return this.serialize()
  }

  #expose(name) {
    Object.defineProperty(this, name, {
      enumerable: true,
      configurable: true,
      get: () => inner.get(this).values[name],
      set: (value) => this.set({ [name]: value }),
    })
  }
}

/** Models by key; what happens to a model is heard on its collection too. */
export class Collection extends Events {
  #byKey = new Map()

  constructor(modelClass, keyOf = (id) => id.toString()) {
    super()
    this.modelClass = modelClass
    this.keyOf = (id) => (typeof id === 'string' ? id : keyOf(id))
  }

  get length() {
    return this.#byKey.size
  }

  get(id) {
    return id === undefined || id === null ? undefined : this.#byKey.get(this.keyOf(id))
  }

  add(model, { silent = false } = {}) {
    const key = this.keyOf(model.id)
    const known = this.#byKey.get(key)
    if (known) return known
    this.#byKey.set(key, model)
    inner.get(model).collections.add(this)
    if (!silent) this.trigger('add', model)
    return model
  }

  remove(model) {
    if (!this.#byKey.delete(this.keyOf(model.id))) return
    inner.get(model).collections.delete(this)
    this.trigger('remove', model)
  }

  clear() {
    for (const model of this.getModelsArray()) inner.get(model).collections.delete(this)
    this.#byKey.clear()
  }

  getModelsArray() {
    return [...this.#byKey.values()]
  }

  filter(test) {
    return this.getModelsArray().filter(test)
  }

  map(change) {
    return this.getModelsArray().map(change)
  }

  forEach(visit) {
    this.getModelsArray().forEach(visit)
  }

  serialize() {
    return this.map((model) => model.serialize())
  }

  toJSON() {
    return this.serialize()
  }
}
