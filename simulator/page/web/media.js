import { define, defineAll } from './require.js'
import { page } from './state.js'

/** A blob together with the address under which the page shows it. */
class OpaqueData {
  #url

  constructor(blob, mimetype) {
    this.blob = blob
    this.type = mimetype
  }

  static async createFromData(data, mimetype) {
    return new OpaqueData(data instanceof OpaqueData ? data.blob : data, mimetype)
  }

  url() {
    this.#url ??= URL.createObjectURL(this.blob)
    return this.#url
  }

  formData() {
    return this.blob
  }

  autorelease() {
    if (this.#url) URL.revokeObjectURL(this.#url)
    this.#url = undefined
  }
}

/** What the page found out about media to be sent; the message takes over what `toJSON` says. */
class MediaData {
  constructor(found) {
    this.set(found)
  }

  set(properties) {
    Object.assign(this, properties)
  }

  toJSON() {
    const { mediaBlob, renderableUrl, ...plain } = this
    return plain
  }
}

function kindOf(mimetype, { asSticker, asDocument, isPtt }) {
  if (asSticker) return 'sticker'
  if (asDocument) return 'document'
  const [family] = mimetype.split('/')
  if (family === 'audio') return isPtt ? 'ptt' : 'audio'
  return family === 'image' || family === 'video' ? family : 'document'
}

async function prepare(opaque, params) {
  const file = opaque.blob
  const mimetype = opaque.type || file.type || 'application/octet-stream'
  const type = kindOf(mimetype, params)
  const size = type === 'image' ? await pictureSize(file) : {}
  return new MediaData({
    type,
    mimetype,
    size: file.size,
    filename: type === 'document' ? file.name : undefined,
    filehash: encodeB64(await crypto.subtle.digest('SHA-256', await file.arrayBuffer())),
    isGif: type === 'video' && params.asGif ? true : undefined,
    mediaBlob: opaque,
    preview: type === 'image' ? await thumbnail(file) : undefined,
    ...size,
  })
}

/** WhatsApp Web does not send a picture that it cannot decode. */
async function pictureSize(file) {
  const bitmap = await createImageBitmap(file)
  return { width: bitmap.width, height: bitmap.height }
}

async function thumbnail(file) {
  const blob = await draw(file, 72, 'image/jpeg', 0.5)
  return encodeB64(await blob.arrayBuffer())
}

/** The picture, fitted into a square of transparent ground. */
async function draw(file, side, type, quality) {
  const bitmap = await createImageBitmap(file)
  const scale = side / Math.max(bitmap.width, bitmap.height)
  const width = bitmap.width * scale
  const height = bitmap.height * scale
  const canvas = new OffscreenCanvas(side, side)
  canvas.getContext('2d').drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height)
  return canvas.convertToBlob({ type, quality })
}

/** Objects by hash, shared by messages that carry the same bytes. */
const mediaObjects = new Map()

function getOrCreateMediaObject(filehash) {
  let object = mediaObjects.get(filehash)
  if (!object) {
    object = {
      filehash,
      contentInfo: {},
      consolidate(found) {
        const { preview, ...rest } = found
        Object.assign(this, rest)
        this.blob = cache.get(filehash)
      },
    }
    mediaObjects.set(filehash, object)
  }
  return object
}

/** Blobs that were prepared here, by hash: the uploader finds the bytes in it. */
const cache = new Map()

async function upload(blob, type) {
  const response = await fetch(`/upload?type=${type}&key=${page.lineKey}`, { method: 'POST', body: blob })
  if (!response.ok) throw new Error(`media upload failed: ${response.status}`)
  return response.json()
}

/** Media keys encrypt on the real service; here one is only carried along. */
const newMediaKey = () => encodeB64(crypto.getRandomValues(new Uint8Array(32)).buffer)

async function uploadMedia({ mediaObject, mediaType }) {
  const blob = cache.get(mediaObject.filehash)
  cache.delete(mediaObject.filehash)
  const { path } = await upload(blob, mediaType)
  if (path === null) return {}
  return {
    mediaEntry: {
      mmsUrl: `https://mmg.whatsapp.net${path}`,
      deprecatedMms3Url: `https://mmg.whatsapp.net${path}`,
      directPath: path,
      mediaKey: newMediaKey(),
      mediaKeyTimestamp: Math.floor(Date.now() / 1000),
      encFilehash: mediaObject.filehash,
      uploadHash: mediaObject.filehash,
      sidecar: undefined,
      firstFrameSidecar: undefined,
    },
  }
}

async function encryptAndUpload({ blob, type, mediaKey }) {
  const { path } = await upload(blob, type)
  const encFilehash = encodeB64(await crypto.subtle.digest('SHA-256', await blob.arrayBuffer()))
  const mediaKeyTimestamp = Math.floor(Date.now() / 1000)
  return { url: `https://mmg.whatsapp.net${path}`, directPath: path, mediaKey, mediaKeyTimestamp, encFilehash }
}

async function downloadAndMaybeDecrypt({ directPath, signal }) {
  const response = await fetch(`${directPath}?key=${page.lineKey}`, { signal })
  if (!response.ok)
    throw Object.assign(new Error(`media download failed: ${response.status}`), { status: response.status })
  return response.arrayBuffer()
}

define('WAWebMediaOpaqueData', OpaqueData)

defineAll({
  WAWebPrepRawMedia: {
    prepRawMedia: (opaque, params) => ({
      async waitForPrep() {
        const data = await prepare(opaque, params)
        cache.set(data.filehash, opaque.blob)
        return data
      },
    }),
  },
  WAWebMediaStorage: { getOrCreateMediaObject },
  WAWebMmsMediaTypes: { msgToMediaType: ({ type }) => type, castToV4: (type) => type },
  WAWebMediaDataUtils: { shouldUseMediaCache: () => true },
  WAWebMediaInMemoryBlobCache: { InMemoryMediaBlobCache: { put: (filehash, blob) => cache.set(filehash, blob) } },
  WAWebMediaMmsV4Upload: {
    uploadMedia,
    // whatsapp-web.js takes it out of the module at each upload and calls it for channels only.
    uploadUnencryptedMedia: async () => {
      throw new Error('The simulator has no channels')
    },
  },
  WAWebUploadManager: { encryptAndUpload },
  WAWebStartMediaUploadQpl: { startMediaUploadQpl: () => ({}) },
  WAWebDownloadManager: { downloadManager: { downloadAndMaybeDecrypt } },
  WAWebImageUtils: { toWebpSticker: (file) => draw(file, 512, 'image/webp', 0.8) },
})

function encodeB64(buffer) {
  let text = ''
  for (const byte of new Uint8Array(buffer)) text += String.fromCharCode(byte)
  return btoa(text)
}
