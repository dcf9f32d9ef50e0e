import { attempt, base64Of, call } from './api.js'
import { element, showList } from './dom.js'
import { drawMessage, summaryOf } from './message.js'
import { faceOf } from './face.js'

/** The chats of a phone: their list, and the one that is open. */
export class ChatPanel {
  #open = null
  #seen = new Map()
  #list = element('ul', { className: 'chat-list' })
  #empty = element('p', { className: 'empty' }, 'No chats yet. Choose somebody below and say hello.')
  #people = element('select', { name: 'to', className: 'grow', 'aria-label': 'Write to' })
  #title = element('h3', { className: 'grow' })
  #messages = element('ol', { className: 'messages scroll', 'aria-label': 'Messages' })
  #text = element('input', { name: 'body', className: 'grow', placeholder: 'Message', autocomplete: 'off' })
  #file = element('input', { type: 'file', className: 'visually-hidden', tabIndex: -1 })

  constructor(phone, announce) {
    this.phone = phone
    this.announce = announce
    this.#text.setAttribute('aria-label', `Message from ${phone.name}`)
    this.chats = element(
      'div',
      { className: 'chats' },
      element('div', { className: 'scroll' }, this.#list, this.#empty),
      this.#newChat(),
    )
    this.chat = element('div', { className: 'chat', hidden: true }, this.#top(), this.#messages, this.#composer())
    this.root = element('div', { className: 'panel', role: 'tabpanel', 'aria-label': 'Chats' }, this.chats, this.chat)
  }

  async update(phones) {
    const { number } = this.phone
    const chats = await call('chats', { number })
    this.#empty.hidden = chats.length > 0
    showList(
      this.#list,
      chats,
      ({ id }) => id,
      (chat) => this.#drawChat(chat),
    )
    this.#offer(phones.filter((each) => each.number !== number))
    this.#tellNews(chats)
    if (this.#open) await this.#showMessages(phones)
    return chats
  }

  #drawChat({ id, title, unread, last }) {
    return element(
      'li',
      {},
      element(
        'button',
        { type: 'button', className: 'bare', onclick: () => this.#enter(id, title) },
        faceOf(title),
        element(
          'span',
          { className: 'lines' },
          element('b', {}, title),
          element('span', { className: 'last quiet' }, last ? summaryOf(last) : ''),
        ),
        unread > 0 ? element('span', { className: 'unread', 'aria-label': `${unread} unread` }, String(unread)) : null,
      ),
    )
  }

  #enter(id, title) {
    this.#open = id
    this.#title.textContent = title
    this.#messages.replaceChildren()
    this.chats.hidden = true
    this.chat.hidden = false
    this.#text.focus()
    void attempt(() => this.update(this.phones))
  }

  #leave() {
    this.#open = null
    this.chat.hidden = true
    this.chats.hidden = false
    this.#list.querySelector('button')?.focus()
  }

  async #showMessages(phones) {
    const { number, online } = this.phone
    const messages = await call('messages', { number, chat: this.#open })
    const names = new Map(phones.map(({ id, name }) => [id, name]))
    const atEnd = this.#messages.scrollTop + this.#messages.clientHeight >= this.#messages.scrollHeight - 40
    showList(
      this.#messages,
      messages,
      ({ from, id }) => `${from} ${id}`,
      (message) => drawMessage(this.phone, message, (id) => names.get(id) ?? id),
    )
    if (atEnd) this.#messages.scrollTop = this.#messages.scrollHeight
    // An open chat is being read, as on a phone in somebody's hand.
    if (online && messages.some(({ fromMe }) => !fromMe)) await this.#read()
  }

  async #read() {
    const chats = await call('chats', { number: this.phone.number })
    if (chats.find(({ id }) => id === this.#open)?.unread > 0) {
      await call('read', { number: this.phone.number, chat: this.#open })
    }
  }

  /** Says aloud what has come since the last time, except in the first look at what was there before. */
  #tellNews(chats) {
    for (const { id, title, last } of chats) {
      const before = this.#seen.get(id)
      if (last && before !== last.id && this.looked && !last.fromMe) {
        this.announce(`${this.phone.name} has a message from ${title}: ${summaryOf(last)}`)
      }
      if (last) this.#seen.set(id, last.id)
    }
    this.looked = true
  }

  #offer(others) {
    const known = [...this.#people.options].map(({ value }) => value).join()
    if (known === others.map(({ number }) => number).join()) return
    this.#people.replaceChildren(...others.map(({ name, number }) => element('option', { value: number }, name)))
  }

  #newChat() {
    const form = element('form', { className: 'row' }, this.#people, element('button', { type: 'submit' }, 'New chat'))
    form.onsubmit = (event) => {
      event.preventDefault()
      const option = this.#people.selectedOptions[0]
      if (option) this.#enter(`${option.value}@c.us`, option.textContent)
    }
    return form
  }

  #top() {
    const back = element('button', { type: 'button', className: 'bare', title: 'Back to the chats' }, '←')
    back.setAttribute('aria-label', 'Back to the chats')
    back.onclick = () => this.#leave()
    return element('div', { className: 'top' }, back, this.#title)
  }

  #composer() {
    const attach = element('button', { type: 'button', className: 'bare', title: 'Attach a file' }, '📎')
    attach.setAttribute('aria-label', 'Attach a file')
    attach.onclick = () => this.#file.click()
    this.#file.onchange = () => void attempt(() => this.#sendFile())
    const send = element('button', { type: 'submit', title: 'Send' }, '➤')
    send.setAttribute('aria-label', 'Send')
    const form = element('form', { className: 'row' }, attach, this.#file, this.#text, send)
    form.onsubmit = (event) => {
      event.preventDefault()
      const body = this.#text.value.trim()
      if (body === '') return
      void attempt(async () => {
        await this.#send({ type: 'text', body })
        this.#text.value = ''
      })
    }
    return form
  }

  async #sendFile() {
    const [file] = this.#file.files
    if (!file) return
    const [family] = file.type.split('/')
    const type = ['image', 'video', 'audio'].includes(family) ? family : 'document'
    const mimetype = file.type || 'application/octet-stream'
    const media = { base64: await base64Of(file), mimetype, filename: file.name }
    const caption = this.#text.value.trim()
    await this.#send({ type, media, ...(caption !== '' && type !== 'audio' && { caption }) })
    this.#text.value = ''
    this.#file.value = ''
  }

  async #send(draft) {
    await call('send', { number: this.phone.number, to: this.#open, draft })
    this.#messages.scrollTop = this.#messages.scrollHeight
  }
}
