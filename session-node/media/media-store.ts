/** Files of messages on the node's disk, by SHA-256 (lower-case hex). Nothing of what a caller names reaches a path. */
export interface MediaStore {
  /** Keeps a file; the same bytes are kept once. Resolves when they are durable. */
  put(bytes: Uint8Array, mimetype: string): Promise<{ sha256: string; size: number }>
  /** Says that a file with this hash is on its way, so that readers wait for it instead of failing. */
  expect(sha256: string, arriving: Promise<unknown>): void
  /** The path of a kept file. Waits for one that is expected. Throws `not_found`. */
  pathOf(sha256: string): Promise<string>
}
