import { readFile } from 'node:fs/promises'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { extname } from 'node:path'
import type { MediaStore } from './media-store.js'

const FILES = new URL('./page/phones/', import.meta.url)
const TYPES: Record<string, string> = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css' }

/** Nothing from elsewhere runs or loads on the page; pictures come from here or from what a person just chose. */
const POLICY = "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'"

/** Serves the page with the phones, and the media of their messages. */
export function servePhones(media: MediaStore) {
  return (request: IncomingMessage, response: ServerResponse): void => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://127.0.0.1')
    if (request.method !== 'GET') return void response.writeHead(405).end()
    if (pathname.startsWith('/media/')) return serveMedia(media, pathname, searchParams.get('type') ?? '', response)
    void serveFile(pathname === '/' ? '/index.html' : pathname, response)
  }
}

async function serveFile(pathname: string, response: ServerResponse): Promise<void> {
  if (!/^\/[a-z-]+\.(html|js|css)$/.test(pathname)) return void response.writeHead(404).end()
  try {
    const content = await readFile(new URL(`.${pathname}`, FILES))
    const type = `${TYPES[extname(pathname)]}; charset=utf-8`
    response.writeHead(200, { 'content-type': type, 'content-security-policy': POLICY, 'cache-control': 'no-store' })
    response.end(content)
  } catch (error) {
    // A name that fits the pattern and is no file of ours.
    response.writeHead(404, { 'content-type': 'text/plain' }).end(String(error))
  }
}

/** Shows what a browser can show in place; everything else is a download, whatever its sender called it. */
function serveMedia(media: MediaStore, pathname: string, type: string, response: ServerResponse): void {
  const bytes = media.find(pathname.slice('/media/'.length))
  if (!bytes) return void response.writeHead(404).end()
  const isShown = /^(image\/(png|jpeg|webp|gif)|(audio|video)\/[\w.+-]+)$/.test(type)
  response.writeHead(200, {
    'content-type': isShown ? type : 'application/octet-stream',
    'x-content-type-options': 'nosniff',
    'content-disposition': isShown ? 'inline' : 'attachment',
  })
  response.end(bytes)
}
