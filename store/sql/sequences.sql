-- name: lock_sequences
-- What is accounted for of some boots; held until the batch is committed. In order, so that two writers cannot deadlock.
SELECT b.device_id, b.boot, b.seen::text FROM boot_sequence b
JOIN unnest(%(device_ids)s::int[], %(boots)s::text[]) AS k(device_id, boot) USING (device_id, boot)
ORDER BY b.device_id, b.boot FOR UPDATE OF b;

-- name: begin_sequences
-- Boots that nothing was known of a moment ago. A row that is not there cannot be held, so it is made, or waited for where another
-- writer makes it now; what that one has committed is then seen.
INSERT INTO boot_sequence AS b (device_id, boot, seen, first_seen_at, last_seen_at)
SELECT device_id, boot, '{}'::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[]) AS k(device_id, boot) ORDER BY 1, 2
ON CONFLICT (device_id, boot) DO UPDATE SET last_seen_at = b.last_seen_at RETURNING device_id, boot, seen::text;

-- name: save_sequences
-- The same, after the batch.
INSERT INTO boot_sequence (device_id, boot, seen, first_seen_at, last_seen_at)
SELECT device_id, boot, seen::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[], %(seen)s::text[]) AS k(device_id, boot, seen) ORDER BY 1, 2
ON CONFLICT (device_id, boot) DO UPDATE SET seen = boot_sequence.seen + excluded.seen, last_seen_at = excluded.last_seen_at;
