import type { z } from 'zod'
import { AppError } from '../../runtime/app-error.js'

/** What came from outside, as the schema wants it. Throws `invalid` and names every problem by its path. */
export function parse<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  throw new AppError('invalid', `${result.error.issues.map(describe).join('; ')}.`, { reason: 'invalid_request' })
}

/** `parse` for a body that may be absent. */
export function parseOptional<Schema extends z.ZodType>(schema: Schema, value: unknown): z.output<Schema> {
  return parse(schema, value === undefined ? {} : value)
}

/** Names of fields, and places in lists. What else stands there may be a number or a text that is nobody's business. */
const NAME = /^(?:[A-Za-z_][\w-]{0,39}|\d{1,4})$/
const MOST_NAMED = 5
const named = (name: PropertyKey) => (NAME.test(String(name)) ? String(name) : '…')

function describe(issue: z.core.$ZodIssue): string {
  const path = issue.path.map(named).join('.')
  return path === '' ? said(issue) : `${path}: ${said(issue)}`
}

function said(issue: z.core.$ZodIssue): string {
  if (issue.code === 'unrecognized_keys')
    return `there is no field ${[...new Set(issue.keys.slice(0, MOST_NAMED).map((key) => `'${named(key)}'`))].join(', ')}`
  if (issue.code === 'invalid_type' && /received undefined/.test(issue.message)) return 'is required'
  if (issue.code === 'invalid_union' && issue.message === 'Invalid input') return 'has none of the allowed shapes'
  return issue.message.replace(/^Invalid input: /, '')
}
