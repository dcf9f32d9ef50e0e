/** Files that come with a request: by address or as base64, written down and looked at. */
import { basename } from 'node:path'
import type { MediaType } from '../../proto/contract.js'
import { AppError } from '../../runtime/app-error.js'
import { type GuardedClient, toUrlError } from '../http/guarded-client.js'
import type { WrittenFile } from './incoming-file.js'
import type { IncomingFiles } from './incoming-files.js'
import { unreadable } from './media-kind.js'

const FETCH_MS = 60_000

export interface GivenFile {
  written: WrittenFile
  filename: string | undefined
}

export class MediaSources {
  constructor(
    private readonly guarded: GuardedClient,
    private readonly incoming: IncomingFiles,
  ) {}

  /**
   * Throws `invalid` (`invalid_url`, `blocked_address`), `unprocessable` (`url_unreachable`, `url_refused`) and `timeout`
   * (`url_timeout`), and what the file itself is refused for.
   */
  async fromUrl(
    kind: MediaType | undefined,
    { url, filename }: { url: string; filename?: string | undefined },
  ): Promise<GivenFile> {
    const answer = await this.guarded.request({ url, timeoutMs: FETCH_MS })
    if (answer.status !== 200) {
      // Read for the sake of the connection only, which goes when it cannot be: the status has decided.
      await answer.body.dump({ limit: 64 * 1024 }).catch(() => undefined)
      const { host } = new URL(url)
      throw new AppError('unprocessable', `${host} answered ${answer.status} instead of the file.`, {
        reason: 'url_refused',
      })
    }
    const name = filename ?? fileNameOf(url)
    const declared = String(answer.headers['content-type'] ?? '')
    const written = await this.incoming
      .receiveFrom(answer.body, { kind, declared, filename: name })
      .catch((error: unknown) => Promise.reject(toUrlError(error, new URL(url))))
    return { written, filename: name }
  }

  /** Throws `invalid` (`invalid_base64`) and what the file itself is refused for. */
  async fromBase64(
    kind: MediaType,
    { base64, mimetype, filename }: { base64: string; mimetype: string; filename?: string | undefined },
  ): Promise<GivenFile> {
    const bytes = Buffer.from(base64, 'base64')
    // Node passes over what is not base64; a file with holes is not what was meant.
    if (bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/\s/g, '').replace(/=+$/, '')) {
      throw new AppError('invalid', 'base64: is not base64.', { reason: 'invalid_base64' })
    }
    if (bytes.length === 0) throw unreadable('The file is empty.')
    const written = await this.incoming.receiveFrom(once(bytes), { kind, declared: mimetype, filename })
    return { written, filename }
  }
}

function* once<T>(item: T): Generator<T> {
  yield item
}

/** The last part of a path, when it looks like the name of a file. */
function fileNameOf(url: string): string | undefined {
  try {
    const name = decodeURIComponent(basename(new URL(url).pathname)).toWellFormed()
    return /^[^/\\\p{Cc}]{1,255}$/u.test(name) && name.includes('.') ? name : undefined
  } catch {
    return undefined
  }
}
