/** The trace and the request id of a call: taken along by who calls, told in a line of the log by who is called. */
import * as grpc from '@grpc/grpc-js'
import type { Logger } from '../runtime/log.js'
import { currentTrace, type Trace, traceOf, traceParent } from '../runtime/trace.js'

const TRACE_KEY = 'traceparent'
const REQUEST_ID_KEY = 'x-request-id'

/** Puts the trace of what is being done into the metadata of each call. */
export const traceInterceptor: grpc.Interceptor = (callOptions, nextCall) =>
  new grpc.InterceptingCall(nextCall(callOptions), {
    start: (metadata, listener, next) => {
      const trace = currentTrace()
      if (trace) {
        metadata.set(TRACE_KEY, traceParent(trace))
        if (trace.requestId) metadata.set(REQUEST_ID_KEY, trace.requestId)
      }
      next(metadata, listener)
    },
  })

export function traceOfCall(metadata: grpc.Metadata): Trace | undefined {
  const trace = traceOf(metadata.get(TRACE_KEY)[0]?.toString())
  const requestId = metadata.get(REQUEST_ID_KEY)[0]?.toString() ?? ''
  return trace && { ...trace, ...(/^[\w.:-]{1,64}$/.test(requestId) ? { requestId } : {}) }
}

/** One line for each call that ended. Those that no request stands behind, such as looks at the node, are for debugging. */
export function callLog(log: Logger): grpc.ServerInterceptor {
  return (method, call) => {
    const begun = performance.now()
    let trace: Trace | undefined
    return new grpc.ServerInterceptingCall(call, {
      start: (next) =>
        next({
          onReceiveMetadata: (metadata, pass) => {
            trace = traceOfCall(metadata)
            pass(metadata)
          },
        }),
      sendStatus: (status, next) => {
        const line = {
          method: method.path.slice(method.path.lastIndexOf('/') + 1),
          code: grpc.status[status.code ?? grpc.status.UNKNOWN],
          durationMs: Math.round(performance.now() - begun),
        }
        if (trace) log.info({ ...line, trace: trace.id, requestId: trace.requestId }, 'rpc.called')
        else log.debug(line, 'rpc.called')
        next(status)
      },
    })
  }
}
