-- name: lock_sequences
-- Accounted seqs of some boots; locked until the batch is committed. In order, so that two writers cannot deadlock. With the
-- transaction that wrote them; null instead of the seqs if the caller knows them from that one.
SELECT b.device_id, b.boot, b.xmin::text, CASE WHEN b.xmin::text <> k.writer THEN multirange_send(b.seen) END FROM boot_sequence b
JOIN unnest(%(device_ids)s::int[], %(boots)s::text[], %(writers)s::text[]) AS k(device_id, boot, writer) USING (device_id, boot)
ORDER BY b.device_id, b.boot FOR UPDATE OF b;

-- name: begin_sequences
-- Boots that were unknown a moment ago. A missing row cannot be locked, so it is created. If another writer creates it now, this
-- waits and then sees the committed row.
INSERT INTO boot_sequence AS b (device_id, boot, seen, first_seen_at, last_seen_at)
SELECT device_id, boot, '{}'::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[]) AS k(device_id, boot) ORDER BY 1, 2
ON CONFLICT (device_id, boot) DO UPDATE SET last_seen_at = b.last_seen_at RETURNING device_id, boot, xmin::text, multirange_send(seen);

-- name: save_sequences
-- Store the seqs after the batch. Returns the transaction, as `xmin` shows it.
WITH saved AS (
    INSERT INTO boot_sequence (device_id, boot, seen, first_seen_at, last_seen_at)
    SELECT device_id, boot, seen::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
    FROM unnest(%(device_ids)s::int[], %(boots)s::text[], %(seen)s::text[]) AS k(device_id, boot, seen) ORDER BY 1, 2
    ON CONFLICT (device_id, boot) DO UPDATE SET seen = boot_sequence.seen + excluded.seen, last_seen_at = excluded.last_seen_at)
SELECT pg_current_xact_id()::xid::text;
