/** Every `code` that an answer may carry: what kind of failure it is, and when it happens. Codes are never renamed. */
import type { ErrorCode } from '../../runtime/app-error.js'

export type Kind = ErrorCode | 'method_not_allowed'

interface Problem {
  /** Their HTTP statuses are in error-middleware.ts. */
  kinds: readonly [Kind, ...Kind[]]
  /** When it happens. */
  when: string
}

const code = (kinds: Kind | readonly [Kind, ...Kind[]], when: string): Problem => ({
  kinds: typeof kinds === 'string' ? [kinds] : kinds,
  when,
})

export const problemCodes = {
  // requests
  invalid_request: code(
    'invalid',
    'A field is missing, unknown or not as it should be. `detail` names each by its path.',
  ),
  malformed_json: code('invalid', 'The body is not JSON, has a field twice, or a number that is too large.'),
  malformed_text: code('invalid', 'The body is not UTF-8, or a string in it has half a surrogate pair or a NUL.'),
  malformed_form: code('invalid', 'The form is broken or ended early.'),
  malformed_handshake: code('invalid', 'What asks for a WebSocket is not its handshake.'),
  body_too_deep: code('invalid', 'The body is nested more than 32 levels deep.'),
  body_incomplete: code('invalid', 'The body ended early.'),
  body_too_slow: code(
    'too_slow',
    'A JSON body took longer than 15 s, or nothing of a form came for as long. The connection is closed.',
  ),
  body_too_large: code('too_large', 'A JSON body of more than 256 KiB, or a form with too many fields.'),
  invalid_cursor: code('invalid', 'The cursor was not given by this list.'),
  cursor_expired: code('gone', 'What came after the cursor is not kept any more.'),
  unsupported_content_type: code('unsupported_type', 'The body is of another type than this route takes.'),
  unsupported_encoding: code('unsupported_type', 'The body is compressed.'),
  not_found: code('not_found', 'There is nothing at this path.'),
  method_not_allowed: code('method_not_allowed', 'Not with this method; `Allow` says with which.'),
  // keys
  api_key_missing: code('unauthenticated', 'There is no key in the request.'),
  api_key_malformed: code('unauthenticated', 'The key is not complete: a character is wrong or missing.'),
  api_key_unknown: code('unauthenticated', 'No such key, or it was revoked.'),
  api_key_expired: code('unauthenticated', "The key's time is over."),
  too_many_failures: code(
    'rate_limited',
    'Too many keys from this address were not valid. Ask again after `Retry-After`.',
  ),
  // limits
  rate_limited: code(
    'rate_limited',
    'The key, or its tenant, has made as many requests as it may in a minute. Ask again after `Retry-After`.',
  ),
  quota_exceeded: code(
    'rate_limited',
    'The tenant has had as many messages accepted as it may in a day (UTC). `detail` and `Retry-After` say when it may again.',
  ),
  // what a key may
  scope_missing: code('forbidden', 'The key lacks the scope for this.'),
  address_not_allowed: code('forbidden', 'The key may not be used from this address.'),
  tenant_suspended: code('forbidden', 'The tenant of the key is suspended.'),
  session_not_allowed: code('forbidden', 'A key for some sessions asks for all.'),
  // tenants
  tenant_unknown: code('not_found', 'No such tenant; also for one that `X-Tenant` names.'),
  tenant_exists: code('conflict', 'The name is taken.'),
  tenant_deleting: code('conflict', 'The tenant is being deleted.'),
  tenant_default: code('conflict', 'The tenant `default` cannot be renamed, suspended or deleted.'),
  confirmation_required: code(
    'conflict',
    'Nothing was deleted: `deletes` tells what would be. Ask again with `confirm`.',
  ),
  session_limit_reached: code('conflict', 'The tenant has as many sessions as it may.'),
  webhook_limit_reached: code('conflict', 'The tenant has as many webhooks as it may.'),
  api_key_not_found: code('not_found', 'No such API key, or it was revoked.'),
  api_key_is_set: code('conflict', 'The key is the one of `ADMIN_API_KEY` or of its file: change it there.'),
  api_key_changed: code('conflict', 'The key was rotated or revoked in the same moment.'),
  admin_not_allowed: code('unprocessable', 'The scope `admin` is for keys of the tenant `default`, for all sessions.'),
  // asking twice
  invalid_idempotency_key: code(
    'invalid',
    'The header is empty, too long, or holds blanks or other than visible ASCII characters.',
  ),
  idempotency_in_progress: code('conflict', 'The first request with this key is still being worked on.'),
  idempotency_key_reused: code('unprocessable', 'This idempotency key was used for another request.'),
  // sessions
  session_not_found: code('not_found', 'No such session, or not for this key.'),
  session_exists: code('conflict', 'The name is taken.'),
  session_deleting: code('conflict', 'The session is being deleted.'),
  not_ready: code('not_ready', 'The session is not in a status in which it can do this.'),
  session_not_running: code('not_ready', 'The session is not running: start it.'),
  session_not_connected: code('not_ready', 'The session is not connected.'),
  session_not_waiting_for_link: code('not_ready', 'The session does not wait for a link.'),
  no_node_available: code('unavailable', 'No session node answers, or none has a browser; `detail` says which.'),
  no_capacity: code('unavailable', 'All session nodes are full.'),
  qr_not_ready: code('not_ready', 'The session is still starting. Ask again after `Retry-After`.'),
  qr_not_available: code('not_ready', 'The session is stopped, logged out or failed: start it.'),
  already_linked: code('conflict', 'The number is linked already, by this session or another one.'),
  pairing_code_refused: code('unprocessable', 'WhatsApp gives no pairing code for this number.'),
  link_not_valid: code('not_found', 'The link is not one of ours, or for another session.'),
  link_expired: code('gone', 'The link has expired. Ask for a new one.'),
  browser_missing: code('unavailable', 'There is no Chromium on the session node.'),
  browser_crashed: code('unavailable', "The session's browser ended, or does not end."),
  launch_failed: code('unavailable', 'The browser could not be started; `detail` says why.'),
  not_a_sandbox: code('not_supported', 'The session is a real one.'),
  // messages
  invalid_number: code('invalid', 'It is neither a phone number nor a chat id.'),
  message_not_found: code(
    ['not_found', 'unprocessable'],
    'No such message, or not for this key; 422 where a message to be sent names it.',
  ),
  not_held: code('conflict', 'The message does not wait for a person, or not any more.'),
  already_sent: code('conflict', 'The message is not pending any more.'),
  // files
  invalid_url: code(['invalid', 'unprocessable'], 'Not https, not a URL, or with a password in it.'),
  blocked_address: code(['invalid', 'unprocessable'], 'The URL leads to a private or special address.'),
  invalid_base64: code('invalid', 'The file is not base64.'),
  url_unreachable: code('unprocessable', 'The address of the file does not answer.'),
  url_refused: code('unprocessable', 'The address of the file answered something else than 200.'),
  url_timeout: code('timeout', 'The file took longer than 60 s.'),
  url_expired: code('gone', 'The signed URL has expired: read the event again, or use a key.'),
  signature_invalid: code('forbidden', 'The signed URL was changed.'),
  media_not_found: code(
    ['not_found', 'unprocessable'],
    'No such file, or not for this key; 422 where a message to be sent names it.',
  ),
  media_missing: code('gone', 'The file is gone.'),
  media_too_large: code(
    'too_large',
    'More than 16 MiB for image, audio, voice and sticker, 64 MiB for video and document.',
  ),
  media_type_mismatch: code('unsupported_type', 'The file is something else than `type` says.'),
  media_unreadable: code('unprocessable', 'The file is empty, missing, or not what it claims to be.'),
  media_in_use: code('conflict', 'A message with the file is still to be sent: cancel it first.'),
  media_quota_exceeded: code(
    'storage_full',
    "The tenant's storage for files is used up. Delete files, or wait until old ones are removed.",
  ),
  media_store_unavailable: code('unavailable', 'The storage of files does not answer. Ask again after `Retry-After`.'),
  range_not_satisfiable: code('not_satisfiable', 'The file ends before that part; `Content-Range` says where.'),
  media_hash_mismatch: code('unavailable', 'The file arrived damaged from its session node. Ask again.'),
  // events and webhooks
  too_many_streams: code(
    ['rate_limited', 'unavailable'],
    'The key, or its tenant, has as many streams as it may; 503 when the gateway has.',
  ),
  webhook_not_found: code('not_found', 'No such webhook, or not for this key.'),
  webhook_disabled: code('not_ready', 'Enable the webhook first.'),
  secret_lost: code('not_ready', 'The secret cannot be read any more: rotate it first.'),
  replay_running: code('conflict', 'A replay of this webhook is running: wait until it is done.'),
  delivery_not_found: code('not_found', 'No such delivery, or not for this key.'),
  // nodes
  node_not_found: code('not_found', 'There never was such a session node.'),
  node_reachable: code(
    'conflict',
    'The session node answers, or did in the last 10 s: only a lost one may be given up.',
  ),
  node_unreachable: code('unavailable', 'The session node does not answer. Ask again after `Retry-After`.'),
  node_lost: code('not_ready', "The session's node was given up. Start the session to place it on another one."),
  node_unavailable: code('unavailable', 'The session node went away in the middle of the call.'),
  node_token_refused: code('unavailable', "The session node refuses the gateway's token: CLUSTER_TOKEN differs."),
  node_stopping: code('unavailable', 'The session node is shutting down. Ask again after `Retry-After`.'),
  node_timeout: code('timeout', 'The session node took too long.'),
  conflict: code('conflict', 'It collides with what is there; `detail` says with what.'),
  timeout: code('timeout', 'Something took too long; `detail` says what.'),
  // ours
  internal: code('internal', 'A bug or an outage. The log has the details.'),
  unavailable: code(
    'unavailable',
    'It is not possible for the moment; `detail` says why. Ask again after `Retry-After`.',
  ),
  not_supported: code('not_supported', 'This is not known here.'),
  database_unavailable: code('unavailable', 'The database does not answer. Ask again after `Retry-After`.'),
  database_busy: code('unavailable', 'The database is busy with the same rows. Ask again after `Retry-After`.'),
  storage_full: code('storage_full', 'The disk is full.'),
} as const satisfies Record<string, Problem>

export type ProblemCode = keyof typeof problemCodes
/** Where a code has several kinds, one of them: `unprocessable:media_not_found`. */
export type PointedCode = ProblemCode | `${ErrorCode}:${ProblemCode}`
