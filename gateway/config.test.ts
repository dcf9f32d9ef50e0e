import { describe, expect, it } from 'vitest'
import { readGatewayConfig } from './config.js'

const SECRET_KEY = 'x'.repeat(32)

describe('the settings of the gateway', () => {
  it('have a place for metrics, which may be chosen or left out', () => {
    const metrics = (env: NodeJS.ProcessEnv) => readGatewayConfig(env).metrics
    expect(metrics({})).toEqual({ host: '127.0.0.1', port: 9464, chosen: false })
    expect(metrics({ METRICS_HOST: '::', METRICS_PORT: '0' })).toEqual({ host: '::', port: 0, chosen: true })
    expect(metrics({ METRICS_PORT: 'off' })).toBeUndefined()
    expect(() => metrics({ METRICS_PORT: 'none' })).toThrow('  METRICS_PORT: must be a port, or off')
  })

  it('need nothing: SQLite in ./data, on loopback', () => {
    const config = readGatewayConfig({})
    expect(config).toMatchObject({ host: '127.0.0.1', port: 3000, nodes: [], trustProxy: 0, logLevel: 'info' })
    expect(config.database).toEqual({ kind: 'sqlite', file: `${process.cwd()}/data/switchboard.sqlite` })
    expect(readGatewayConfig({ DATABASE_URL: 'sqlite:', DATA_DIR: '/d' }).database).toEqual({
      kind: 'sqlite',
      file: '/d/switchboard.sqlite',
    })
  })

  it('name every variable that cannot be used', () => {
    const env = {
      PORT: 'x',
      PUBLIC_URL: 'nowhere',
      TRUST_PROXY: 'maybe',
      REDIS_URL: 'redis',
      SECRET_KEY: 'short',
      ADMIN_API_KEY: 'short',
    }
    const read = () =>
      readGatewayConfig({
        ...env,
        WEBHOOK_ALLOW_CIDRS: '10.0.0.0',
        DELIVERY_SCHEDULE: 'soon',
        LOG_LEVEL: 'loud',
        CLUSTER_TOKEN: 'x',
      })
    for (const name of [
      ...Object.keys(env),
      'WEBHOOK_ALLOW_CIDRS',
      'DELIVERY_SCHEDULE',
      'LOG_LEVEL',
      'CLUSTER_TOKEN',
    ]) {
      expect(read).toThrow(new RegExp(`^  ${name}: `, 'm'))
    }
  })

  it('want a SECRET_KEY with MySQL, where several gateways must agree on it', () => {
    const DATABASE_URL = 'mysql://user:pw@db/switchboard'
    expect(() => readGatewayConfig({ DATABASE_URL })).toThrow(/SECRET_KEY: is required with MySQL/)
    expect(readGatewayConfig({ DATABASE_URL, SECRET_KEY }).database.kind).toBe('mysql')
    expect(() => readGatewayConfig({ DATABASE_URL: 'postgres://db/x' })).toThrow(/DATABASE_URL: must begin with/)
  })

  it('are shown without a secret in them', () => {
    const { shown } = readGatewayConfig({
      DATABASE_URL: 'mysql://user:hidden1@db/switchboard',
      SECRET_KEY: 'hidden2-hidden2-hidden2-hidden2-hidden2',
      ADMIN_API_KEY: 'hidden3-hidden3-hidden3-hidden3',
      CLUSTER_TOKEN: 'hidden4-hidden4-hidden4',
    })
    expect(JSON.stringify(shown)).not.toContain('hidden')
    expect(shown).toMatchObject({ SECRET_KEY: 'set', DATABASE_URL: 'mysql://user:set@db/switchboard' })
  })
})
