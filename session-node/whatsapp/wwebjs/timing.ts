/** How long things may take, in milliseconds. Tests give shorter times. */
export interface Timing {
  /** From the launch to a QR code, or to a page that knows its account. */
  launchMs: number
  /**
   * From linked to ready: longest time without any progress, and in all. With the look that notices it, the restart
   * comes before 90 s are over.
   */
  stalledMs: number
  longestMs: number
  /** Between two looks at a page that is to become ready. */
  readyCheckMs: number
  /** One send; a file gets the time on top that a slow line needs for it. */
  sendMs: number
  /** How long a linked profile has to insist on a QR code before it counts as unlinked. */
  confirmUnlinkedMs: number
  /** One sign of life from the page. */
  answerMs: number
}

export const defaultTiming: Timing = {
  launchMs: 60_000,
  stalledMs: 80_000,
  longestMs: 300_000,
  readyCheckMs: 3_000,
  sendMs: 45_000,
  confirmUnlinkedMs: 3_000,
  answerMs: 5_000,
}
