/** The fields of T, those that may be undefined as ones that may be absent. */
export type Defined<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>
}

/** Without the fields that are undefined: to zod and JSON that is the same as absent, to our types it is not. */
export function defined<T extends object>(fields: T): Defined<T> {
  const there: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields)) if (value !== undefined) there[key] = value
  return there as Defined<T>
}
