export function wait(ms: number): Promise<void> {
  return ms > 0 ? new Promise((resolve) => setTimeout(resolve, ms)) : Promise.resolve()
}

/** What a fault that hangs waits for. */
export function never(): Promise<never> {
  return new Promise(() => {})
}
