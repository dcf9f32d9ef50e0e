import { describe, expect, it } from 'vitest'
import { readSessionNodeConfig } from './config.js'
import { capacityOf } from './memory.js'

describe('the settings of a session node', () => {
  it('have defaults for everything', () => {
    const config = readSessionNodeConfig({})
    expect(config).toMatchObject({
      listen: '127.0.0.1:50051',
      metrics: { host: '127.0.0.1', port: 9465, chosen: false },
      logLevel: 'info',
      browser: { headless: 'new', chromiumArgs: [], noSandbox: process.getuid?.() === 0 },
    })
    expect(config.capacity).toBeGreaterThanOrEqual(1)
  })

  it('are told all at once when they cannot be used, by name', () => {
    const wrong = { NODE_ID: 'a', NODE_LISTEN: 'here', CHROMIUM_HEADLESS: 'old', NODE_CAPACITY: 'many' }
    for (const name of Object.keys(wrong)) expect(() => readSessionNodeConfig(wrong)).toThrow(name)
  })

  it('are shown without the token', () => {
    const { shown } = readSessionNodeConfig({ CLUSTER_TOKEN: 'a-very-secret-token' })
    expect(shown.CLUSTER_TOKEN).toBe('set')
    expect(JSON.stringify(shown)).not.toContain('a-very-secret-token')
  })
})

describe('the capacity of a node', () => {
  it('is what fits into free memory beside a reserve, and at least one session', () => {
    expect(capacityOf(300, 512 + 3_200)).toBe(10)
    expect(capacityOf(300, 600)).toBe(1)
  })
})
