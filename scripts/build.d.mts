/** Generates and compiles when a source is newer than what was made of it. */
export function ensureBuilt(): Promise<void>
/** Nothing was changed since. */
export function isBuilt(): boolean
