import { Chat } from './chats.js'
import { Msg } from './messages.js'
import { Conn, Socket } from './socket.js'
import { qrText } from './linking.js'

/** What a person would see; a screenshot of the page shows where the session stands. */
const root = document.querySelector('#app')
let planned = false

/** Once per turn of the clock, however much has changed. */
function render() {
  if (planned) return
  planned = true
  setTimeout(async () => {
    planned = false
    root.replaceChildren(...(await screen()))
  }, 30)
}

async function screen() {
  if (Conn.ref && Socket.state === 'UNPAIRED') {
    return [heading('Link a device'), await qrCanvas(qrText()), text('p', 'Scan this code with WhatsApp on your phone')]
  }
  if (Socket.state === 'UNPAIRED_IDLE') return [heading('Link a device'), text('p', 'Click to reload the QR code')]
  if (Socket.state !== 'CONNECTED') return [heading('WhatsApp'), text('p', `Connecting (${Socket.state})`)]
  const chats = Chat.getModelsArray().sort((a, b) => (b.t ?? 0) - (a.t ?? 0))
  return [heading('Chats'), list(chats.slice(0, 30).map(chatLine), 'chats')]
}

function chatLine(chat) {
  const last = chat.msgs.getModelsArray().at(-1)
  const unread = chat.unreadCount > 0 ? ` (${chat.unreadCount})` : ''
  return `${chat.formattedTitle}${unread}: ${last ? (last.caption ?? last.body ?? `[${last.type}]`) : ''}`
}

function heading(words) {
  return text('h1', words)
}

function text(tag, words) {
  const element = document.createElement(tag)
  element.textContent = words
  return element
}

function list(lines, name) {
  const element = document.createElement('ul')
  element.className = name
  element.append(...lines.map((line) => text('li', line)))
  return element
}

async function qrCanvas(content) {
  const { size, modules } = await (await fetch(`/qr?text=${encodeURIComponent(content)}`)).json()
  const scale = 5
  const canvas = document.createElement('canvas')
  canvas.width = canvas.height = (size + 8) * scale
  const ink = canvas.getContext('2d')
  ink.fillStyle = '#fff'
  ink.fillRect(0, 0, canvas.width, canvas.height)
  ink.fillStyle = '#000'
  for (let at = 0; at < modules.length; at++) {
    if (modules[at] !== '1') continue
    ink.fillRect(((at % size) + 4) * scale, (Math.floor(at / size) + 4) * scale, scale, scale)
  }
  return canvas
}

Conn.on('change:ref', render)
Socket.on('change:state', render)
Chat.on('change', render)
Chat.on('add', render)
Msg.on('add', render)
Msg.on('change', render)
render()
