import QRCode from 'qrcode'

const KEPT = 100

/** Pictures of a QR text. Drawing one takes milliseconds of the event loop, and everybody who looks sees the same. */
export class QrImages {
  private readonly drawn = new Map<string, Promise<Buffer>>()

  png(qr: string): Promise<Buffer> {
    return this.kept(`png ${qr}`, () => QRCode.toBuffer(qr, { type: 'png', scale: 6, margin: 4 }))
  }

  svg(qr: string): Promise<Buffer> {
    return this.kept(`svg ${qr}`, async () => Buffer.from(await QRCode.toString(qr, { type: 'svg', margin: 4 })))
  }

  async dataUrl(qr: string): Promise<string> {
    return `data:image/png;base64,${(await this.png(qr)).toString('base64')}`
  }

  private kept(key: string, draw: () => Promise<Buffer>): Promise<Buffer> {
    const known = this.drawn.get(key)
    if (known) return known
    const [oldest] = this.drawn.keys()
    if (this.drawn.size >= KEPT && oldest !== undefined) this.drawn.delete(oldest)
    const image = draw()
    this.drawn.set(key, image)
    image.catch(() => this.drawn.delete(key))
    return image
  }
}
