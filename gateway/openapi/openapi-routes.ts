/** The OpenAPI document, and the page to read and try it: everything it loads is ours, so that it works offline. */
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { gzip } from 'node:zlib'
import Router from '@koa/router'
import { AppError } from '../../runtime/app-error.js'
import { version } from '../../runtime/version.js'
import type { OpenContext, OpenRouter, OpenState } from '../http/context.js'
import { handle } from '../http/operation.js'
import { createApiDocument } from './document.js'
import { getDocsAsset, getOpenApi, openDocs } from './openapi-operations.js'

const ours = (name: string) => new URL(`./docs-page/${name}`, import.meta.url)
const theirs = (name: string) => new URL(import.meta.resolve(`swagger-ui-dist/${name}`))
const assets: Record<string, { file: URL; type: string }> = {
  'docs.css': { file: ours('docs.css'), type: 'text/css' },
  'docs.js': { file: ours('docs.js'), type: 'text/javascript' },
  'icon.svg': { file: new URL('../sessions/link-page/icon.svg', import.meta.url), type: 'image/svg+xml' },
  'swagger-ui.css': { file: theirs('swagger-ui.css'), type: 'text/css' },
  'swagger-ui-bundle.js': { file: theirs('swagger-ui-bundle.js'), type: 'text/javascript' },
}

/** The page is drawn by Swagger UI, which sets styles on its elements and has pictures as data URLs. */
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

interface Text {
  plain: Buffer
  packed: Buffer
}

const pack = promisify(gzip)
const textOf = async (plain: Buffer): Promise<Text> => ({ plain, packed: await pack(plain) })

export function openApiRoutes({ publicUrl }: { publicUrl: () => string }): OpenRouter {
  const router = new Router<OpenState>()
  const kept = new Map<string, Promise<Text>>()
  /** Made or read once, when somebody asks. */
  const once = (name: string, make: () => Promise<Buffer>): Promise<Text> => {
    const known = kept.get(name) ?? make().then(textOf)
    kept.set(name, known)
    known.catch(() => kept.delete(name))
    return known
  }
  const documentText = () =>
    Promise.resolve(Buffer.from(JSON.stringify(createApiDocument({ version, serverUrl: publicUrl() }))))

  handle(router, getOpenApi, async (ctx) => {
    give(ctx, 'application/json', await once('openapi.json', documentText))
  })

  handle(router, openDocs, async (ctx) => {
    ctx.set('Content-Security-Policy', policy)
    give(ctx, 'text/html', await once('docs.html', () => readFile(ours('docs.html'))))
  })

  handle(router, getDocsAsset, async (ctx, { params: { name } }) => {
    const asset = Object.hasOwn(assets, name) ? assets[name] : undefined
    if (!asset) throw new AppError('not_found', 'There is no such file.')
    const text = await once(name, () => readFile(fileURLToPath(asset.file)))
    ctx.set('Cache-Control', 'public, max-age=300')
    give(ctx, asset.type, text)
  })

  return router
}

function give(ctx: OpenContext, type: string, { plain, packed }: Text): void {
  ctx.type = type
  ctx.vary('Accept-Encoding')
  const isPacked = ctx.acceptsEncodings('gzip', 'identity') === 'gzip'
  if (isPacked) ctx.set('Content-Encoding', 'gzip')
  ctx.body = isPacked ? packed : plain
}
