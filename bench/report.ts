/** A number that was measured, beside what we aim for. */
export interface Figure {
  name: string
  measured: number
  unit: string
  /** Absent: printed for information. */
  aim?: { least: number } | { most: number }
  /** What a reader wants to know beside the number. */
  note?: string
}

export function met({ measured, aim }: Figure): boolean | undefined {
  if (!aim) return undefined
  return 'least' in aim ? measured >= aim.least : measured <= aim.most
}

/** A Markdown table: measured, aim, met or missed. */
export function table(figures: Figure[]): string {
  const rows = figures.map((figure) => {
    const { name, unit, aim, note } = figure
    const aimed = !aim ? '' : 'least' in aim ? `at least ${shown(aim.least)}` : `at most ${shown(aim.most)}`
    const verdict = met(figure)
    const outcome = verdict === undefined ? '' : verdict ? 'met' : '**missed**'
    return `| ${[name, `${shown(figure.measured)} ${unit}`.trim(), aimed, outcome, note ?? ''].join(' | ')} |`
  })
  return ['| figure | measured | aim | | |', '|---|---|---|---|---|', ...rows].join('\n')
}

function shown(value: number): string {
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toFixed(Math.abs(value) < 10 ? 2 : 1)))
}

export function quantile(values: number[], q: number): number {
  const sorted = [...values].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN
}

export const median = (values: number[]): number => quantile(values, 0.5)
