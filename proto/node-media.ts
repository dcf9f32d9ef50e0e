/** Files, to a session node and from it. */
import * as grpc from '@grpc/grpc-js'
import type { DownloadMediaResponse } from './generated/switchboard/v1/DownloadMediaResponse.js'
import type { SessionNodeClient } from './generated/switchboard/v1/SessionNode.js'
import type { UploadMediaResponse } from './generated/switchboard/v1/UploadMediaResponse.js'
import { required } from './mapping.js'
import { fromStatus } from './status.js'

const MEDIA_MS = 120_000
const CHUNK = 256 * 1024

export interface MediaInfo {
  sha256: string
  size: number
  mimetype: string
}
interface MediaCall {
  metadata: grpc.Metadata
  timeoutMs?: number | undefined
}

export function uploadMedia(
  client: SessionNodeClient,
  info: MediaInfo,
  chunks: AsyncIterable<Uint8Array>,
  { metadata, timeoutMs = MEDIA_MS }: MediaCall,
) {
  return new Promise<{ existed: boolean }>((resolve, reject) => {
    let answered = false
    const deadline = Date.now() + timeoutMs
    const stream = client.UploadMedia(
      metadata,
      { deadline },
      (error: grpc.ServiceError | null, response?: UploadMediaResponse) => {
        answered = true
        if (error) reject(fromStatus(error))
        else resolve({ existed: response?.existed ?? false })
      },
    )
    const write = async () => {
      stream.write({ info })
      for await (const chunk of chunks) {
        for (let at = 0; at < chunk.length; at += CHUNK) {
          if (answered) return
          if (!stream.write({ chunk: Buffer.from(chunk.subarray(at, at + CHUNK)) })) await drained(stream)
        }
      }
      stream.end()
    }
    write().catch((error: unknown) => {
      stream.cancel()
      reject(fromStatus(error))
    })
  })
}

export async function downloadMedia(
  client: SessionNodeClient,
  sha256: string,
  { metadata, timeoutMs = MEDIA_MS }: MediaCall,
) {
  const deadline = Date.now() + timeoutMs
  const stream = client.DownloadMedia({ sha256 }, metadata, { deadline })
  const reader = (stream as AsyncIterable<DownloadMediaResponse>)[Symbol.asyncIterator]()
  try {
    const first = await reader.next()
    const info = required(first.done ? null : first.value.info, 'info')
    async function* chunks() {
      try {
        for (let next = await reader.next(); !next.done; next = await reader.next()) {
          yield Buffer.from(required(next.value.chunk, 'chunk'))
        }
      } catch (error) {
        throw fromStatus(error)
      } finally {
        stream.cancel()
      }
    }
    return { info, chunks: chunks() }
  } catch (error) {
    stream.cancel()
    throw fromStatus(error)
  }
}

function drained(stream: grpc.ClientWritableStream<never>): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      stream.off('drain', done)
      stream.off('error', done)
      stream.off('close', done)
      resolve()
    }
    stream.on('drain', done).on('error', done).on('close', done)
  })
}
