import type { NodeId, SessionId, TenantId } from '../../proto/contract.js'
import { nullable, Table } from '../db/table.js'
import type { Direction, MediaId } from '../messages/message.js'

export interface MediaRow {
  id: MediaId
  tenantId: TenantId
  sessionId: SessionId | null
  direction: Direction
  status: 'stored' | 'pending' | 'missing'
  reason: string | null
  sha256: string
  size: number
  mimetype: string
  filename: string | null
  file: string | null
  nodeId: NodeId | null
  createdAt: Date
  expiresAt: Date | null
}

export const mediaTable = new Table<MediaRow>('media', (c) => ({
  columns: {
    id: c.id(),
    tenantId: c.ref('tenant_id'),
    sessionId: c.ref('session_id', nullable),
    direction: c.word('direction', 8),
    status: c.word('status', 16),
    reason: c.word('reason', 64, nullable),
    sha256: c.word('sha256', 64),
    size: c.big('size'),
    mimetype: c.line('mimetype', 255),
    filename: c.line('filename', 255, nullable),
    file: c.word('file', 128, nullable),
    nodeId: c.ref('node_id', nullable),
    createdAt: c.time('created_at'),
    expiresAt: c.time('expires_at', nullable),
  },
  indices: {
    ix_media_tenant: ['tenantId', 'sha256'],
    ix_media_file: ['sha256'],
    ix_media_status: ['status', 'nodeId'],
    ix_media_expiry: ['expiresAt'],
  },
  foreignKeys: { fk_media_tenant: [['tenantId'], 'tenants', ['id'], 'NO ACTION'] },
}))
