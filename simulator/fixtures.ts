import type { MediaDraft } from './types.js'

/** A red square of ten by ten, which a browser can decode. */
export const PICTURE: MediaDraft = {
  base64: 'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FAAhKDveksOjmAAAAAElFTkSuQmCC',
  mimetype: 'image/png',
  filename: 'dot.png',
}

/** A twentieth of a second of sound, decodable too: whatsapp-web.js draws its waveform. */
export const VOICE: MediaDraft = { base64: wave().toString('base64'), mimetype: 'audio/wav' }

function wave(): Buffer {
  const rate = 8000
  const samples = Buffer.from(Array.from({ length: rate / 20 }, (_each, index) => 128 + 60 * Math.sin(index / 3)))
  const header = Buffer.alloc(44)
  header.write('RIFF', 0)
  header.writeUInt32LE(36 + samples.length, 4)
  header.write('WAVEfmt ', 8)
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(rate, 24)
  header.writeUInt32LE(rate, 28)
  header.writeUInt16LE(1, 32)
  header.writeUInt16LE(8, 34)
  header.write('data', 36)
  header.writeUInt32LE(samples.length, 40)
  return Buffer.concat([header, samples])
}
