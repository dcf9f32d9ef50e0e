import { createHash, timingSafeEqual } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import * as grpc from '@grpc/grpc-js'
import { z } from 'zod'
import { flag } from '../runtime/settings.js'

/** How processes on different machines trust each other. The same settings in gateway, bot and node. */
export interface ClusterSecurity {
  token?: string | undefined
  /** PEM files of our own CA: mutual TLS. */
  tls?: { ca: string; cert: string; key: string } | undefined
  /** Allows plaintext off loopback. */
  insecure: boolean
}

export const securitySettings = {
  CLUSTER_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  GRPC_TLS_CA: z.string().optional(),
  GRPC_TLS_CERT: z.string().optional(),
  GRPC_TLS_KEY: z.string().optional(),
  GRPC_INSECURE: flag.default(false),
}

type Settings = z.output<z.ZodObject<typeof securitySettings>>

export function securityOf(settings: Settings): ClusterSecurity {
  const { GRPC_TLS_CA: ca, GRPC_TLS_CERT: cert, GRPC_TLS_KEY: key } = settings
  if ((ca || cert || key) && !(ca && cert && key)) {
    throw new Error('GRPC_TLS_CA, GRPC_TLS_CERT and GRPC_TLS_KEY belong together: set all three or none')
  }
  const tls = ca && cert && key ? { ca, cert, key } : undefined
  return { token: settings.CLUSTER_TOKEN, tls, insecure: settings.GRPC_INSECURE }
}

export function serverCredentials({ tls }: ClusterSecurity): grpc.ServerCredentials {
  if (!tls) return grpc.ServerCredentials.createInsecure()
  const pair = { private_key: readFileSync(tls.key), cert_chain: readFileSync(tls.cert) }
  return grpc.ServerCredentials.createSsl(readFileSync(tls.ca), [pair], true)
}

export function clientCredentials({ tls }: ClusterSecurity): grpc.ChannelCredentials {
  if (!tls) return grpc.credentials.createInsecure()
  return grpc.credentials.createSsl(readFileSync(tls.ca), readFileSync(tls.key), readFileSync(tls.cert))
}

/** Refuses to listen in the clear, or without a token, where other machines can connect. */
export function checkListenAddress(address: string, { token, tls, insecure }: ClusterSecurity): void {
  if (address.startsWith('unix:') || isLoopback(address.slice(0, address.lastIndexOf(':')))) return
  if (!token) throw new Error(`NODE_LISTEN=${address} can be reached by other machines: set CLUSTER_TOKEN`)
  if (!tls && !insecure) {
    throw new Error(
      `NODE_LISTEN=${address} would speak plaintext to other machines: set GRPC_TLS_CA, GRPC_TLS_CERT and GRPC_TLS_KEY, or GRPC_INSECURE=true on a network that is your own`,
    )
  }
}

export function isLoopback(host: string): boolean {
  const bare = host.replace(/^\[|\]$/g, '')
  return bare === 'localhost' || bare === '::1' || (isIP(bare) === 4 && bare.startsWith('127.'))
}

const TOKEN_KEY = 'x-switchboard-token'

/** Metadata cannot ride as call credentials on a plaintext channel, so an interceptor adds it. */
export function tokenInterceptor({ token }: ClusterSecurity): grpc.Interceptor {
  return (callOptions, nextCall) =>
    new grpc.InterceptingCall(nextCall(callOptions), {
      start: (metadata, listener, next) => {
        if (token) metadata.set(TOKEN_KEY, token)
        next(metadata, listener)
      },
    })
}

/** Refuses calls without the right token before their handler is entered. Health checks need none. */
export function tokenCheck({ token }: ClusterSecurity): grpc.ServerInterceptor {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  const expected = token === undefined ? undefined : digest(token)
  return (method, call) => {
    if (!expected || method.path.startsWith('/grpc.health.')) return new grpc.ServerInterceptingCall(call)
    return new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            const given = String(metadata.get(TOKEN_KEY)[0] ?? '')
            if (timingSafeEqual(digest(given), expected)) return pass(metadata)
            call.sendStatus({ code: grpc.status.UNAUTHENTICATED, details: 'The cluster token is missing or wrong' })
          },
        }),
    })
  }
}
