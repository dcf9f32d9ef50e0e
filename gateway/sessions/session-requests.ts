import { z } from 'zod'
import { engines, sessionStatuses } from '../../proto/contract.js'
import { phoneDigits } from '../../proto/recipient.js'
import { AppError } from '../../runtime/app-error.js'
import { pageFields } from '../http/pagination.js'
import { defined } from '../../runtime/defined.js'
import { isSessionName, NAME_RULE } from './session.js'

const name = z.string().refine(isSessionName, NAME_RULE)
/** In any spelling that people use; digits inside. */
export const phone = z.string().transform((text, context) => {
  try {
    return phoneDigits(text)
  } catch (error) {
    context.addIssue({ code: 'custom', message: error instanceof AppError ? error.message : 'is not a phone number' })
    return z.NEVER
  }
})
const HOUR_MS = 3_600_000
const pacing = z
  .strictObject({
    gapMs: z.number().int().min(0).max(HOUR_MS),
    jitterMs: z.number().int().min(0).max(HOUR_MS),
    messagesPerDay: z.number().int().min(0).max(1_000_000),
  })
  .partial()
  .transform(defined)
const metadata = z
  .record(z.string().min(1).max(64), z.string().max(1_024))
  .refine((pairs) => Object.keys(pairs).length <= 32, 'must have at most 32 keys')
const sandbox = z
  .strictObject({
    phone,
    autoPair: z.boolean(),
    ackDelayMs: z.number().int().min(0).max(600_000),
    reply: z.literal('echo'),
  })
  .partial()
  .transform(defined)

export const CreateSession = z
  .strictObject({
    name,
    engine: z.enum(engines).default('wwebjs'),
    pacing: pacing.optional(),
    sandbox: sandbox.optional(),
    metadata: metadata.optional(),
    start: z.boolean().default(true),
  })
  .refine(({ engine, sandbox: options }) => options === undefined || engine === 'sandbox', {
    path: ['sandbox'],
    message: 'is for the engine sandbox',
  })

export const ChangeSession = z
  .strictObject({ pacing: pacing.optional(), metadata: metadata.nullable().optional() })
  .refine((change) => Object.keys(change).length > 0, 'must change pacing or metadata')

export const ListSessions = z.strictObject({ ...pageFields, status: z.enum(sessionStatuses).optional() })
export const AfterId = z.tuple([z.string()])
export const PairingCode = z.strictObject({ phone: z.string().max(64) })
export const Nothing = z.strictObject({})

/** Short paths name their session in the body or the query; `default` unless they do. */
export const ShortPath = z.strictObject({ session: z.string().min(1).max(64).default('default') })
export const InitSession = z.strictObject({
  session: z.string().min(1).max(64).default('default'),
  engine: z.enum(engines).default('wwebjs'),
})
