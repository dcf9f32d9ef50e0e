import { Events } from './events.js'

/**
 * The line to WhatsApp: questions with answers, and what the server tells by itself (heard as events named after it).
 * While the line is down questions wait, in order; they are asked once it is back.
 */
class Line extends Events {
  #socket
  #waiting = new Map()
  #queue = []
  #next = 1
  #up = false
  #greet = null

  /** `greet` speaks first on each new connection; what it throws ends in the console, as nobody can answer it. */
  open(greet) {
    this.#greet = greet
    this.#connect()
  }

  get isUp() {
    return this.#up
  }

  /** Resolves with the server's answer; waits for as long as the line is down or the server is silent. */
  ask(operation, args = {}) {
    return new Promise((resolve, reject) => {
      const question = { n: this.#next++, op: operation, args, resolve, reject }
      if (this.#up) this.#send(question)
      else this.#queue.push(question)
    })
  }

  /** Asks even before the line counts as up: only for the greeting. */
  greet(args) {
    return new Promise((resolve, reject) => this.#send({ n: this.#next++, op: 'hello', args, resolve, reject }))
  }

  raise() {
    if (this.#up) return
    this.#up = true
    for (const question of this.#queue.splice(0)) this.#send(question)
    this.trigger('up')
  }

  lower() {
    if (!this.#up) return
    this.#up = false
    this.trigger('down')
  }

  #connect() {
    this.#socket = new WebSocket(`wss://${location.host}/line`)
    this.#socket.onopen = () => void this.#greet().catch((error) => console.error(error))
    this.#socket.onmessage = ({ data }) => this.#hear(JSON.parse(data))
    this.#socket.onclose = () => {
      this.lower()
      // What was asked and not answered is asked again; sends see to themselves, so that none goes out twice.
      const again = [...this.#waiting.values()].filter(({ op }) => op !== 'send' && op !== 'hello')
      this.#waiting.clear()
      this.#queue.unshift(...again)
      setTimeout(() => this.#connect(), 250)
    }
  }

  #send(question) {
    this.#waiting.set(question.n, question)
    this.#socket.send(JSON.stringify({ n: question.n, op: question.op, args: question.args }))
  }

  #hear(frame) {
    if (frame.push) {
      // Said before it is done, in the same turn: whatever anyone asks of the page from now on finds it done.
      if (frame.ticket) this.#socket.send(JSON.stringify({ confirm: frame.ticket }))
      return void this.trigger(frame.push, frame)
    }
    const question = this.#waiting.get(frame.re)
    if (!question) return
    this.#waiting.delete(frame.re)
    if (frame.error) question.reject(Object.assign(new Error(frame.error.message), { name: frame.error.name }))
    else question.resolve(frame.ok)
  }
}

export const line = new Line()
