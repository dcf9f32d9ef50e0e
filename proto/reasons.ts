import type { SessionStatus } from './contract.js'

/** Why a session or a message stands where it stands: the machine word and the sentence for people. */
export const reasons = {
  // sessions
  starting: 'The browser is being started.',
  waiting_for_launch: 'Waiting for its turn to start: this node starts two browsers at a time.',
  qr_shown: 'Waiting for the phone to scan the QR code.',
  qr_expired: 'Nobody scanned the QR code in time. Start the session again for a new one.',
  syncing: 'The phone accepted the link; WhatsApp Web is loading the chats.',
  linked: 'The number is linked and online.',
  stopped_by_request: 'Stopped on request.',
  node_stopping: 'The session node is shutting down; the session comes back with it.',
  node_unreachable: 'The session node does not answer.',
  deleting: 'Being deleted; its name is free once its session node has answered.',
  node_lost: 'The session node was declared lost. Link the number again.',
  placed_elsewhere: 'This session runs on another node.',
  logged_out_by_phone: 'The number was unlinked on the phone. Link it again.',
  logged_out_by_request: 'The number was unlinked on request.',
  browser_crashed: 'The browser ended unexpectedly and is being restarted.',
  page_crashed: 'The WhatsApp Web page crashed and is being restarted.',
  page_unresponsive: 'WhatsApp Web stopped answering and is being restarted.',
  page_closed: 'The WhatsApp Web page was closed and is being restarted.',
  connection_lost: 'The line to WhatsApp is down; it comes back by itself.',
  launch_failed: 'The browser could not be started; it is tried again.',
  ready_timeout: 'WhatsApp Web did not become ready in time; it is tried again.',
  browser_stuck: 'The old browser has not ended yet; the session comes back when it has.',
  memory_limit: 'The browser used too much memory and is being restarted.',
  restart_requested: 'Restarted on request.',
  conflict: 'WhatsApp Web was opened elsewhere with this session. Restart it to take it back.',
  banned: 'WhatsApp blocked this number.',
  web_version_unsupported: 'This version of WhatsApp Web is not supported. Switchboard needs an update.',
  passkey_required: 'WhatsApp asks for a passkey, which cannot be given here.',
  browser_missing: 'There is no Chromium on the session node.',
  event_log_full: 'The event log of the node is full; sessions wait until the gateway has read it.',
  // messages
  queued: 'Waiting to be handed to the session node.',
  tenant_suspended: 'The tenant is suspended: it waits until the tenant is resumed, or until its time is up.',
  gateway_away: 'Waiting for the gateway: a session node sends nothing while no gateway follows it.',
  waiting_to_send: 'The session node has it and sends it in its turn.',
  not_on_whatsapp: 'This number is not on WhatsApp.',
  chat_not_found: 'WhatsApp does not know this chat.',
  quoted_message_not_found: 'The message to reply to was not found.',
  reaction_target_not_found: 'The message to react to was not found.',
  media_missing: 'The file of this message is gone.',
  media_rejected: 'WhatsApp Web could not read this file.',
  rejected_by_whatsapp: 'WhatsApp refused the message.',
  refused_by_node: 'The session node refused the message. Is it an older version?',
  send_failed: 'WhatsApp Web could not send the message.',
  not_supported: 'This kind of message cannot be sent to this chat.',
  expired: 'It could not be sent before it expired.',
  cancelled: 'Cancelled before it was sent.',
  number_changed: 'The session was linked to another number.',
  session_logged_out: 'The session was unlinked before the message could be sent.',
  session_deleted: 'The session was deleted before the message could be sent.',
  no_answer: 'WhatsApp Web did not answer; it is being checked whether the message went out.',
  ack_timeout: 'WhatsApp has not confirmed the message yet; it is being checked.',
  outcome_unknown: 'It is not known whether the message went out, and it is being checked.',
  resending: 'No trace of the message was found; it is sent again under the same id.',
  daily_limit: 'The session has sent as many messages today as it may; it goes on tomorrow.',
  resend_requested: 'A person asked to send it again; it is looked for once more before.',
  settled_sent: 'A person confirmed that it arrived.',
  settled_failed: 'A person found that it did not arrive.',
  held: 'It is not known whether the message went out. A person has to decide.',
} as const satisfies Record<string, string>

export type Reason = keyof typeof reasons

/** The sentence for a reason; the word itself when it has none. */
export function explain(reason: string): string {
  return reason in reasons ? reasons[reason as Reason] : reason
}

/** Sessions that wait for a person take no messages; the others are, or come back, by themselves. */
export function takesMessages(status: SessionStatus): boolean {
  return status === 'starting' || status === 'connected' || status === 'disconnected'
}
