import { crc32, deflateSync } from 'node:zlib'
import { toBuffer } from 'qrcode'

const SIZE = 512
type Colour = [red: number, green: number, blue: number]

/** A QR code as a picture that phones read from a dimmed screen. */
export function qrImage(text: string): Promise<Buffer> {
  return toBuffer(text, { type: 'png', width: SIZE, margin: 3 })
}

/** What stands in the place of a QR code once the number is linked: a tick. */
export function linkedImage(): Buffer {
  const tick: [number, number][] = [
    [150, 265],
    [225, 340],
    [365, 185],
  ]
  return drawing([37, 162, 90], tick)
}

/** What stands in the place of a QR code that is no use any more: a bar. */
export function endedImage(): Buffer {
  const bar: [number, number][] = [
    [160, 256],
    [352, 256],
  ]
  return drawing([140, 144, 150], bar)
}

/** A white stroke on a disc of the colour on white. */
function drawing(colour: Colour, stroke: [number, number][]): Buffer {
  const white: Colour = [255, 255, 255]
  const centre = SIZE / 2
  return png((x, y) => {
    if (Math.hypot(x - centre, y - centre) > 200) return white
    const onStroke = stroke.some((point, i) => i > 0 && distance(x, y, stroke[i - 1] ?? point, point) < 22)
    return onStroke ? white : colour
  })
}

function distance(x: number, y: number, [ax, ay]: [number, number], [bx, by]: [number, number]): number {
  const along = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)
  const t = Math.min(1, Math.max(0, along))
  return Math.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay))
}

/** The smallest PNG file that there is: 8 bits per colour, no filter. */
function png(colourAt: (x: number, y: number) => Colour): Buffer {
  const rows = Buffer.alloc(SIZE * (SIZE * 3 + 1))
  for (let y = 0; y < SIZE; y += 1) {
    for (let x = 0; x < SIZE; x += 1) rows.set(colourAt(x, y), y * (SIZE * 3 + 1) + 1 + x * 3)
  }
  const header = Buffer.alloc(13)
  header.writeUInt32BE(SIZE, 0)
  header.writeUInt32BE(SIZE, 4)
  header.set([8, 2, 0, 0, 0], 8)
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])
  return Buffer.concat([
    signature,
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const length = Buffer.alloc(4)
  length.writeUInt32BE(data.length)
  const sum = Buffer.alloc(4)
  sum.writeUInt32BE(crc32(body))
  return Buffer.concat([length, body, sum])
}
