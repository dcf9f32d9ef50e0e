import { attempt, call } from './api.js'
import { element } from './dom.js'
import { faceOf } from './face.js'
import { ChatPanel } from './chat-panel.js'
import { DevicePanel } from './device-panel.js'

/** One phone on the table. */
export class PhoneFrame {
  #state = element('span', { className: 'quiet' })
  #network = element('button', { type: 'button', className: 'switch' })

  constructor(phone, announce) {
    this.chats = new ChatPanel(phone, announce)
    this.devices = new DevicePanel(phone)
    this.#network.onclick = () =>
      void attempt(() => call(this.phone.online ? 'offline' : 'online', { number: this.phone.number }))
    const who = element('span', { className: 'who' }, element('b', {}, phone.name), element('br'), this.#state)
    this.root = element(
      'section',
      { className: 'phone', 'aria-label': `Phone of ${phone.name}` },
      element('header', {}, faceOf(phone.name), who, this.#network),
      this.#tabs(),
      this.chats.root,
      this.devices.root,
    )
  }

  async update(phone, phones, waiting) {
    this.phone = this.chats.phone = this.devices.phone = phone
    this.chats.phones = phones
    this.#state.textContent = `+${phone.number}${phone.devices > 0 ? ' · linked' : ''}`
    this.#network.textContent = phone.online ? 'Go offline' : 'Go online'
    this.root.classList.toggle('off', !phone.online)
    this.devices.update(waiting)
    return this.chats.update(phones)
  }

  #tabs() {
    const panels = [this.chats.root, this.devices.root]
    const tabs = ['Chats', 'Linked devices'].map((label) =>
      element('button', { type: 'button', role: 'tab', 'aria-selected': String(label === 'Chats') }, label),
    )
    const select = (chosen) => {
      tabs.forEach((tab, index) => {
        tab.setAttribute('aria-selected', String(index === chosen))
        tab.tabIndex = index === chosen ? 0 : -1
        panels[index].hidden = index !== chosen
      })
    }
    tabs.forEach((tab, index) => {
      tab.onclick = () => select(index)
      tab.onkeydown = ({ key }) => {
        if (key !== 'ArrowLeft' && key !== 'ArrowRight') return
        const next = (index + 1) % tabs.length
        select(next)
        tabs[next].focus()
      }
    })
    select(0)
    return element('div', { className: 'tabs', role: 'tablist' }, ...tabs)
  }
}
