/** Usage as a table for spreadsheets and accounting. */
import { contentTypes } from '../../proto/contract.js'
import { messageCountNames, type ShownUsage } from './usage-shapes.js'

type Cell = string | number | undefined
type Columns = readonly (readonly [name: string, value: (usage: ShownUsage) => Cell])[]

const columns: Columns = [
  ['tenant', ({ tenant }) => tenant],
  ['period', ({ day, month }) => day ?? month],
  ['session', ({ session }) => session?.id],
  ['session_name', ({ session }) => session?.name],
  ...messageCountNames.map((what) => [snake(what), ({ messages }: ShownUsage) => messages[what]] as const),
  ['bytes_sent', ({ media }) => media.bytesSent],
  ['bytes_received', ({ media }) => media.bytesReceived],
  ['delivered', ({ webhooks }) => webhooks.delivered],
  ['failed_attempts', ({ webhooks }) => webhooks.failedAttempts],
  ['exhausted', ({ webhooks }) => webhooks.exhausted],
  ['connected_seconds', ({ connectedSeconds }) => connectedSeconds],
  ...contentTypes.flatMap((type) =>
    messageCountNames.map(
      (what) => [`${type}_${snake(what)}`, ({ types }: ShownUsage) => types[type]?.[what] ?? 0] as const,
    ),
  ),
]

export const usageCsvHead = line(columns.map(([name]) => name))

export function usageCsvLine(usage: ShownUsage): string {
  return line(columns.map(([, value]) => value(usage)))
}

function line(cells: readonly Cell[]): string {
  return `${cells.map(csvCell).join(',')}\r\n`
}

/** By RFC 4180. What a spreadsheet would take for a formula is a text to it. */
export function csvCell(value: Cell): string {
  if (value === undefined) return ''
  if (typeof value === 'number') return String(value)
  const text = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
