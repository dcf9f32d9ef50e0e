import { type Clock, systemClock } from './clock.js'

/**
 * The time for deadlines, leases and pauses: the wall clock's when it is made, and from then on evenly on, whatever is
 * done to the wall clock meanwhile. What people are told, and what others compare with their own clocks, is told by the
 * wall clock.
 */
export function steadyClock(wall: Clock = systemClock, elapsedMs: () => number = () => performance.now()): Clock {
  const startedAt = wall() - elapsedMs()
  return () => Math.floor(startedAt + elapsedMs())
}
