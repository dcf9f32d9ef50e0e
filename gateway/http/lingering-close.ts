import type { ParameterizedContext } from 'koa'

/** A sender who has not looked up by then is cut off. */
const LINGER_MS = 2_000
const MOST_BYTES = 64 * 2 ** 20

/**
 * Ends the connection of a request that is answered before its body is through. A socket that is closed with something
 * unread in it is reset by the kernel, and the reset takes the answer away from a sender who is still writing: so what
 * still comes is thrown away for a moment.
 */
export function closeLingering({ req, res }: Pick<ParameterizedContext, 'req' | 'res'>): void {
  const { socket } = req
  res.setHeader('Connection', 'close')
  // What Node calls once the answer is written.
  socket.destroySoon = () => {
    const most = socket.bytesRead + MOST_BYTES
    const cut = setTimeout(() => socket.destroy(), LINGER_MS)
    socket.once('close', () => clearTimeout(cut))
    req.once('end', () => socket.destroy())
    req.on('data', () => {
      if (socket.bytesRead > most) socket.destroy()
    })
    socket.end()
  }
  req.resume()
}
