import type { MediaDraft } from './types.js'

/** A red square of ten by ten, which a browser can decode. */
export const PICTURE: MediaDraft = {
  base64: 'iVBORw0KGgoAAAANSUhEUgAAAAoAAAAKCAYAAACNMs+9AAAAFUlEQVR42mNk+M9Qz0AEYBxVSF+FAAhKDveksOjmAAAAAElFTkSuQmCC',
  mimetype: 'image/png',
  filename: 'dot.png',
}
