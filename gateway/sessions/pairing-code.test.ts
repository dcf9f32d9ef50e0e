import { expect, it } from 'vitest'
import { startTestGateway } from '../../test/gateway.js'
import { API, talkThrough } from '../../test/messages.js'

it('asks for no pairing code for a number that a session on another node has: that could unlink it', async () => {
  const test = await startTestGateway({ nodes: 2 })
  try {
    const talk = talkThrough(test)
    const linked = await talk.linked()
    const { phone, node } = (await test.ask('GET', `${API}/sessions/${linked}`)).body
    // Placed by turns.
    let name = ''
    for (let at = node; at === node;) {
      name = `other${name.length}`
      at = (await test.ask('POST', `${API}/sessions`, { name, engine: 'sandbox', sandbox: {} })).body.node
    }
    await talk.sessionReads(name, 'qr_pending')
    const ask = () => test.ask('POST', `${API}/sessions/${name}/pairing-code`, { phone })
    expect(await ask()).toMatchObject({ status: 409, body: { code: 'already_linked' } })
    await test.ask('POST', `${API}/sessions/${linked}/logout`)
    expect(await ask()).toMatchObject({ status: 200, body: { phone } })
  } finally {
    await test.stop()
  }
})
