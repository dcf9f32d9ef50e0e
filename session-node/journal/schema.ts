/**
 * The journal's tables, as steps: step n brings a file from `user_version` n to n + 1. A step is never edited after a
 * release. Times are ms since the epoch.
 */
export const schemaSteps: readonly string[] = [
  `
  CREATE TABLE node (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    id TEXT NOT NULL,
    epoch TEXT NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0
  );

  CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL,
    engine TEXT NOT NULL,
    pacing TEXT NOT NULL,
    sandbox TEXT,
    wanted TEXT NOT NULL,            -- running | stopped
    status TEXT NOT NULL,
    reason TEXT,
    detail TEXT,
    phone TEXT,                      -- of the last link, also after a logout
    lid TEXT,
    push_name TEXT,
    web_version TEXT,
    paired INTEGER NOT NULL,         -- connected at least once since the link was made
    connected_at INTEGER,
    changed_at INTEGER NOT NULL,
    last_inbound_at INTEGER          -- of the newest stored message from WhatsApp
  ) WITHOUT ROWID;

  -- AUTOINCREMENT: the order of hand-over, never reused.
  CREATE TABLE sends (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id TEXT NOT NULL UNIQUE,
    session_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    wa_message_id TEXT NOT NULL,
    chat_id TEXT NOT NULL,
    message TEXT,                    -- JSON; NULL once nothing is to be sent any more
    state TEXT NOT NULL,             -- queued | dispatching | dispatched | unknown | held | done
    status TEXT NOT NULL,            -- as last told
    reason TEXT,
    resends INTEGER NOT NULL DEFAULT 0,
    expires_at INTEGER NOT NULL,
    changed_at INTEGER NOT NULL
  );
  CREATE INDEX sends_open ON sends (session_id, state, position) WHERE state <> 'done';
  CREATE INDEX sends_expiring ON sends (expires_at) WHERE state = 'queued';
  CREATE INDEX sends_wa ON sends (session_id, wa_message_id);
  CREATE INDEX sends_done ON sends (changed_at) WHERE state = 'done';

  -- Cancelled before they were handed over.
  CREATE TABLE tombstones (message_id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;

  -- Messages dispatched per UTC day, for the day cap.
  CREATE TABLE dispatched_days (
    session_id TEXT NOT NULL, day TEXT NOT NULL, count INTEGER NOT NULL, PRIMARY KEY (session_id, day)
  ) WITHOUT ROWID;

  -- AUTOINCREMENT: positions go on after trimming.
  CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    tenant_id TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL
  );

  -- What the log has taken from WhatsApp, so that looking back tells nothing twice. Outlives the trimmed event.
  -- 'value' is a hash of the newest, for what may change again: an edit, a reaction, a vote.
  CREATE TABLE seen (
    session_id TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (session_id, key)
  ) WITHOUT ROWID;
  CREATE INDEX seen_at ON seen (at);

  -- 'reserved_until': uploaded for a message that has not been handed over yet.
  CREATE TABLE media (
    sha256 TEXT PRIMARY KEY, mimetype TEXT NOT NULL, size INTEGER NOT NULL, at INTEGER NOT NULL,
    reserved_until INTEGER NOT NULL
  ) WITHOUT ROWID;
  CREATE TABLE media_refs (
    sha256 TEXT NOT NULL, direction TEXT NOT NULL, ref TEXT NOT NULL, session_id TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (sha256, direction, ref)
  ) WITHOUT ROWID;
  CREATE INDEX media_refs_ref ON media_refs (direction, ref);
  CREATE INDEX media_refs_session ON media_refs (session_id);
  `,
  `
  -- A person asked for it: sent again once no trace is found, however often it was before.
  ALTER TABLE sends ADD COLUMN resend_asked INTEGER NOT NULL DEFAULT 0;
  `,
  `
  -- What the event log takes, kept by the file itself. The number added is about what a row takes besides its body.
  ALTER TABLE node ADD COLUMN event_bytes INTEGER NOT NULL DEFAULT 0;
  UPDATE node SET event_bytes = (SELECT coalesce(sum(octet_length(body) + 120), 0) FROM events);
  CREATE TRIGGER events_added AFTER INSERT ON events BEGIN
    UPDATE node SET event_bytes = event_bytes + octet_length(new.body) + 120;
  END;
  CREATE TRIGGER events_removed AFTER DELETE ON events BEGIN
    UPDATE node SET event_bytes = event_bytes - octet_length(old.body) - 120;
  END;
  `,
  `
  -- What came since then may not have been heard: a look back is owed.
  ALTER TABLE sessions ADD COLUMN look_back_from INTEGER;
  `,
]
