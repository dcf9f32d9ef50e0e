import { inOrder, type Service } from '../../runtime/lifecycle.js'
import type { Logger } from '../../runtime/log.js'
import type { Metrics } from '../../runtime/metrics.js'
import type { Keyless } from '../http/authenticate.js'
import type { ApiRouter } from '../http/context.js'
import type { LimitedAdmission } from '../limits/limited-admission.js'
import { EventOpening } from './event-opening.js'
import type { EventPresenter } from './event-presenter.js'
import type { EventRepository } from './event-repository.js'
import { eventRoutes } from './event-routes.js'
import { EventSockets } from './event-sockets.js'
import { eventStreamRoutes, isEventSocket } from './event-stream-routes.js'
import { EventTail } from './event-tail.js'
import { Events, type EventsOptions } from './events.js'
import { LiveStreams, type StreamLimits } from './live-streams.js'

export interface EventStreamsOptions {
  repository: EventRepository
  presenter: EventPresenter
  sessions: EventsOptions['sessions']
  trimmedTo: EventsOptions['trimmedTo']
  keys: Pick<LimitedAdmission, 'admit' | 'count' | 'stillGood'>
  limits?: StreamLimits
  metrics: Metrics
  log: Logger
}

export interface EventStreams extends Service {
  /** Something was stored. */
  wake: () => void
  routes: ApiRouter[]
  keyless: Keyless
}

/** How tenants read events: as a list, as server-sent events, over a WebSocket. */
export function createEventStreams(options: EventStreamsOptions): EventStreams {
  const { repository, presenter, sessions, trimmedTo, keys, limits, metrics, log } = options
  const events = new Events({ repository, presenter, sessions, trimmedTo })
  const tail = new EventTail({ repository, presenter, log })
  const streams = new LiveStreams({ stillGood: (ids) => keys.stillGood(ids), log, ...(limits ? { limits } : {}) })
  metrics.gauges(
    {
      streams: {
        name: 'switchboard_event_streams',
        help: 'Streams of events that stand at this gateway, over server-sent events and WebSocket.',
      },
    },
    () => ({ streams: [{ value: streams.count() }] }),
  )
  const opening = new EventOpening({ events, repository, tail, streams })
  const sockets = new EventSockets({ opening, keys })
  return {
    ...inOrder(tail, streams),
    wake: () => tail.wake(),
    routes: [eventStreamRoutes({ opening, sockets }), eventRoutes(events)],
    keyless: isEventSocket,
  }
}
