-- name: digests_of
-- Digests of some blocks of seqs.
SELECT device_id, boot, block, digests FROM message_digest
JOIN unnest(%(device_ids)s::int[], %(boots)s::text[], %(blocks)s::int8[]) AS k(device_id, boot, block) USING (device_id, boot, block);

-- name: save_digests
-- Append to the blocks.
INSERT INTO message_digest AS m (device_id, boot, block, digests, last_at)
SELECT device_id, boot, block, digests, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[], %(blocks)s::int8[], %(digests)s::bytea[]) AS k(device_id, boot, block, digests)
ORDER BY 1, 2, 3
ON CONFLICT (device_id, boot, block) DO UPDATE SET digests = m.digests || excluded.digests, last_at = excluded.last_at;

-- name: drop_old_digests
-- Blocks that no message has used for long.
DELETE FROM message_digest WHERE last_at < %(before)s::timestamptz;
