import { seal, unseal } from '../tenants/sealing.js'
import type { StoredAnswer } from './idempotency-key.js'

/** An answer as it is kept: encrypted, because a message's text must not stand a second time outside of its table. */
export function sealAnswer(answer: StoredAnswer, id: string, key: Buffer): string {
  return seal(answer, id, key)
}

/** Throws when it was sealed with another secret, or changed. */
export function openAnswer(text: string, id: string, key: Buffer): StoredAnswer {
  return unseal(text, id, key) as StoredAnswer
}
