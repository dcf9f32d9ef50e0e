import { attempt, call } from './api.js'
import { PhoneFrame } from './phone-frame.js'

const table = document.querySelector('#phones')
const announcements = document.querySelector('#announcements')
const frames = new Map()

function announce(words) {
  announcements.textContent = words
}

async function update() {
  const [phones, waiting] = await Promise.all([call('phones'), call('waiting')])
  const chats = await Promise.all(
    phones.map((phone) => {
      let frame = frames.get(phone.number)
      if (!frame) {
        frame = new PhoneFrame(phone, announce)
        frames.set(phone.number, frame)
        table.append(frame.root)
      }
      return frame.update(phone, phones, waiting)
    }),
  )
  const linked = phones.some(({ devices }) => devices > 0)
  done('#step-session', linked || waiting.length > 0)
  done('#step-link', linked)
  done('#step-write', linked && chats.flat().length > 0)
}

function done(step, isDone) {
  document.querySelector(step).classList.toggle('done', isDone)
}

const form = document.querySelector('#new-phone')
form.onsubmit = (event) => {
  event.preventDefault()
  const { name, number } = Object.fromEntries(new FormData(form))
  void attempt(async () => {
    await call('phone', { name, number })
    form.reset()
  })
}

/** Shows each change as it happens, and goes on trying while the simulator is away. */
async function follow() {
  let seen = -1
  for (;;) {
    try {
      const { count } = await call('changes', { after: seen, timeoutMs: 30_000 })
      await update()
      seen = count
    } catch (error) {
      announce(`The simulator does not answer: ${error.message}`)
      await new Promise((resolve) => setTimeout(resolve, 1000))
    }
  }
}

void follow()
