'use strict'

// The page follows its session by server-sent events and never reloads. The signature in its address is all it needs.
const element = (id) => document.getElementById(id)
const card = document.querySelector('main')
const address = (part) => `${location.pathname.replace(/\/+$/, '')}/${part}${location.search}`

const waiting = {
  created: 'Starting…',
  starting: 'Starting…',
  qr_pending: 'Waiting for the QR code…',
  disconnected: 'Not reachable at the moment',
}
const ended = {
  stopped: 'The code was not scanned in time',
  logged_out: 'The number is not linked',
  failed: 'This number needs attention',
}

let source
let timer
let wasShown = false

function show({ name, status, reason, detail, phone, pushName, image, expiresInMs }) {
  element('name').textContent = name
  clearInterval(timer)
  const linked = status === 'connected'
  const over = Object.hasOwn(ended, status)
  card.dataset.state = image ? 'qr' : linked ? 'linked' : over ? 'failed' : 'starting'
  const picture = element('qr')
  picture.hidden = !image
  if (image) picture.src = image
  else picture.removeAttribute('src')
  element('time').hidden = !image
  element('again').hidden = !over
  element('again').disabled = false
  element('detail').textContent = ''

  if (image) {
    wasShown = true
    say('Scan this code with WhatsApp')
    countDown(expiresInMs)
  } else if (linked) {
    say(phone ? `Linked as ${phone}` : 'Linked')
    element('detail').textContent = [pushName, 'You can close this page.'].filter(Boolean).join(' · ')
    source.close()
  } else if (over) {
    say(reason === 'stopped_by_request' ? 'The session is stopped' : ended[status])
    element('detail').textContent = detail ?? ''
  } else {
    const scanned = wasShown && (status === 'starting' || reason === 'syncing')
    say(scanned ? 'Scanned. Linking the number…' : (waiting[status] ?? 'Please wait…'))
    if (status === 'disconnected') element('detail').textContent = detail ?? ''
  }
}

function say(text) {
  if (element('status').textContent !== text) element('status').textContent = text
}

function countDown(ms) {
  const until = performance.now() + ms
  const tick = () => {
    const left = Math.max(0, until - performance.now())
    element('seconds').textContent = String(Math.ceil(left / 1000))
    element('left').style.transform = `scaleX(${ms > 0 ? left / ms : 0})`
  }
  tick()
  timer = setInterval(tick, 250)
}

function close(text, detail) {
  source.close()
  show({ name: element('name').textContent, status: 'failed' })
  element('again').hidden = true
  say(text)
  element('detail').textContent = detail
}

function follow() {
  source = new EventSource(address('events'))
  source.addEventListener('view', (event) => show(JSON.parse(event.data)))
  source.addEventListener('expired', () => close('This link has expired', 'Ask for a new one.'))
  source.addEventListener('error', () => {
    // EventSource connects again by itself, except when it was refused.
    if (source.readyState === EventSource.CLOSED) close('This link does not work any more', 'Ask for a new one.')
    else if (card.dataset.state !== 'linked') say('Connection lost. Trying again…')
  })
}

element('again').addEventListener('click', async () => {
  element('again').disabled = true
  say('Starting…')
  try {
    const answer = await fetch(address('start'), { method: 'POST' })
    if (!answer.ok) throw new Error((await answer.json()).detail)
  } catch (error) {
    say('That did not work')
    element('detail').textContent = error.message
    element('again').disabled = false
  }
})

follow()
