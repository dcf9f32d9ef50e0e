import { afterAll, beforeAll, expect, it } from 'vitest'
import { startTestGateway, type TestGateway } from '../../test/gateway.js'

let test: TestGateway
beforeAll(async () => void (test = await startTestGateway({ nodes: 0 })))
afterAll(() => test.stop())

it('goes on from where things are when the database was restored to before its cursor', async () => {
  const now = await test.ask('GET', '/api/v1/notices')
  expect(now.body.data).toEqual([])
  const ahead = Buffer.from('[999999999]').toString('base64url')
  const restored = await test.ask('GET', `/api/v1/notices?cursor=${ahead}`)
  expect(restored.body).toEqual({ data: [], nextCursor: now.body.nextCursor })
})
