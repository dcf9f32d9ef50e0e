import { attempt, call } from './api.js'
import { element, showList, timeOf } from './dom.js'

/** Linked devices of a phone: what waits to be linked, and how to be rid of what is. */
export class DevicePanel {
  #status = element('p', { role: 'status' })
  #waiting = element('ul', { className: 'waiting' })
  #nothing = element(
    'p',
    { className: 'quiet' },
    'No page waits to be linked. Create or start a session in Switchboard.',
  )
  #logout = element('button', { type: 'button' }, 'Log out of all devices')

  constructor(phone) {
    this.phone = phone
    this.#logout.onclick = () => void attempt(() => call('logout', { number: this.phone.number }))
    const content = element(
      'div',
      { className: 'devices scroll' },
      this.#status,
      this.#logout,
      element('h3', {}, 'Link a device'),
      this.#waiting,
      this.#nothing,
      pasteForm('Paste the text of a QR code', 'Link', (qr) => call('scan', { number: this.phone.number, qr })),
      pasteForm('Type a pairing code', 'Link', (code) => call('linkWithCode', { number: this.phone.number, code })),
    )
    this.root = element(
      'div',
      { className: 'panel', role: 'tabpanel', hidden: true, 'aria-label': 'Linked devices' },
      content,
    )
  }

  update(pages) {
    const { devices, connected, number } = this.phone
    this.#status.textContent =
      devices === 0
        ? 'No device is linked.'
        : `${devices} ${devices === 1 ? 'device is' : 'devices are'} linked, ${connected} on line.`
    this.#logout.hidden = devices === 0
    const shown = pages.filter(({ ref }) => ref !== '')
    this.#nothing.hidden = shown.length > 0
    showList(
      this.#waiting,
      shown,
      ({ ref }) => ref,
      ({ ref, since }) => {
        const scan = () => void attempt(() => call('scan', { number, qr: ref }))
        const label = `Scan the code on screen (shown since ${timeOf(since)})`
        return element('li', {}, element('button', { type: 'button', className: 'strong', onclick: scan }, label))
      },
    )
  }
}

function pasteForm(label, action, submit) {
  const input = element('input', { placeholder: label, autocomplete: 'off', required: true, 'aria-label': label })
  const form = element('form', {}, input, element('button', { type: 'submit' }, action))
  form.onsubmit = (event) => {
    event.preventDefault()
    void attempt(async () => {
      await submit(input.value.trim())
      input.value = ''
    })
  }
  return form
}
