import { nullable } from './columns.js'
import { createTable } from './create.js'

export class Media1790000000010 extends createTable('media', (c) => ({
  columns: [
    c.id(),
    c.ref('tenant_id'),
    c.ref('session_id', nullable),
    c.word('direction', 8),
    // stored, pending (still on its node) or missing.
    c.word('status', 16),
    c.word('reason', 64, nullable),
    c.word('sha256', 64),
    c.big('size'),
    c.line('mimetype', 255),
    c.line('filename', 255, nullable),
    // The name on disk, ours, below the media folder.
    c.word('file', 128, nullable),
    c.ref('node_id', nullable),
    c.time('created_at'),
    c.time('expires_at', nullable),
  ],
  indices: {
    ix_media_tenant: ['tenant_id', 'sha256'],
    ix_media_file: ['sha256'],
    ix_media_status: ['status', 'node_id'],
    ix_media_expiry: ['expires_at'],
  },
  foreignKeys: { fk_media_tenant: [['tenant_id'], 'tenants', ['id'], 'NO ACTION'] },
})) {
  name = 'Media1790000000010'
}
