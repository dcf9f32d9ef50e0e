import jsQrModule from 'jsqr'
import { PNG } from 'pngjs'

// A CommonJS module whose types say less than it exports.
const jsQr = jsQrModule as unknown as typeof jsQrModule.default

/** Reads a QR code as a camera does: from the picture. */
export function readQr(png: Buffer): string {
  const { data, width, height } = PNG.sync.read(png)
  const found = jsQr(new Uint8ClampedArray(data), width, height)
  if (!found) throw new Error('There is no QR code in the picture')
  return found.data
}

/** The bytes of a `data:` URL. */
export function bytesOfDataUrl(url: string): Buffer {
  return Buffer.from(url.slice(url.indexOf(',') + 1), 'base64')
}
