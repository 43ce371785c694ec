-- name: lock_sequences
-- Accounted seqs of some boots; locked until the batch is committed. In order, so that two writers cannot deadlock.
SELECT b.device_id, b.boot, multirange_send(b.seen) FROM boot_sequence b
JOIN unnest(%(device_ids)s::int[], %(boots)s::text[]) AS k(device_id, boot) USING (device_id, boot)
ORDER BY b.device_id, b.boot FOR UPDATE OF b;

-- name: begin_sequences
-- Boots that were unknown a moment ago. A missing row cannot be locked, so it is created. If another writer creates it now, this
-- waits and then sees the committed row.
INSERT INTO boot_sequence AS b (device_id, boot, seen, first_seen_at, last_seen_at)
SELECT device_id, boot, '{}'::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[]) AS k(device_id, boot) ORDER BY 1, 2
ON CONFLICT (device_id, boot) DO UPDATE SET last_seen_at = b.last_seen_at RETURNING device_id, boot, multirange_send(seen);

-- name: save_sequences
-- Store the seqs after the batch.
INSERT INTO boot_sequence (device_id, boot, seen, first_seen_at, last_seen_at)
SELECT device_id, boot, seen::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[], %(seen)s::text[]) AS k(device_id, boot, seen) ORDER BY 1, 2
ON CONFLICT (device_id, boot) DO UPDATE SET seen = boot_sequence.seen + excluded.seen, last_seen_at = excluded.last_seen_at;
