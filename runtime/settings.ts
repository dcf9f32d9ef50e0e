import { existsSync } from 'node:fs'
import { z } from 'zod'

/** Reads `.env` from the working directory when there is one. The real environment wins. */
export function loadEnvFile(): void {
  if (existsSync('.env')) process.loadEnvFile('.env')
}

/** Settings that cannot be used; the message lists all problems by variable name. */
export class SettingsError extends Error {
  override name = 'SettingsError'
}

/** Reads settings by a zod object whose keys are variable names. An empty variable counts as not set. */
export function readSettings<Shape extends z.ZodRawShape>(
  shape: Shape,
  env: NodeJS.ProcessEnv,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(Object.entries(env).filter(([name, value]) => name in shape && value !== ''))
  const result = z.object(shape).safeParse(given)
  if (result.success) return result.data
  const problems = result.error.issues.map((issue) => `  ${issue.path.join('.')}: ${issue.message}`)
  throw new SettingsError(`These settings cannot be used:\n${problems.join('\n')}`)
}

/** For the line at start: secrets as `set` or `unset`, the rest as it is. */
export function shownSettings(settings: Record<string, unknown>, secrets: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).map(([name, value]) => [
      name,
      secrets.includes(name) ? (value === undefined || value === '' ? 'unset' : 'set') : value,
    ]),
  )
}

/** A boolean setting: true/false, 1/0, yes/no, on/off. */
export const flag = z
  .string()
  .toLowerCase()
  .refine((text) => /^(true|false|1|0|yes|no|on|off)$/.test(text), 'must be true or false')
  .transform((text) => /^(true|1|yes|on)$/.test(text))

/** A list separated by commas or blanks. */
export const list = z.string().transform((text) => text.split(/[\s,]+/).filter((item) => item !== ''))

export const port = z.coerce.number().int().min(0).max(65_535)
