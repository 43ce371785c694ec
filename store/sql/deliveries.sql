-- name: known_deliveries
-- Those deliveries of messages without time and seq that were committed before and may still be repeated; of one that was committed
-- twice, the last one last.
SELECT d.life, u.mid, u.sha256, u.received_at FROM delivered_batch d CROSS JOIN LATERAL unnest(d.mids, d.hashes, d.received) AS u(mid, sha256, received_at)
JOIN unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[]) AS k(life, mid, sha256)
     ON (d.life, u.mid, u.sha256) = (k.life, k.mid, k.sha256)
WHERE d.client_id = %(client_id)s::text AND d.number > %(above)s::bigint ORDER BY d.number, d.kept_at;

-- name: save_deliveries
-- Remember the deliveries of a batch in one life of the broker, to recognise repeats. Returns those batches of that life that were
-- committed before, may still be repeated and reach up to these messages: nearly always none.
WITH saved AS (
    INSERT INTO delivered_batch (client_id, number, newest_at, life, mids, hashes, received)
    VALUES (%(client_id)s::text, %(number)s::bigint, %(newest)s::timestamptz, %(life)s::text, %(mids)s::int[], %(hashes)s::bytea[],
            %(received)s::timestamptz[]))
SELECT mids, hashes, received FROM delivered_batch
WHERE client_id = %(client_id)s::text AND number > %(above)s::bigint AND life = %(life)s::text AND newest_at >= %(oldest)s::timestamptz
ORDER BY number, kept_at;

-- name: claim_frames
-- Claim radio frames that are new or old enough; returns them. In order; waits for another writer that claims the same frame now.
INSERT INTO delivery AS d (client_id, life, mid, sha256, received_at, number)
SELECT %(claimed_as)s::text, '', 0, sha256, received_at, 0
FROM unnest(%(hashes)s::bytea[], %(received)s::timestamptz[]) AS k(sha256, received_at) ORDER BY sha256
ON CONFLICT (client_id, life, mid, sha256) DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp()
WHERE d.kept_at < clock_timestamp() - %(age)s::interval RETURNING sha256;

-- name: drop_deliveries
-- Drop those whose packet ids may belong to other messages by now.
DELETE FROM delivered_batch WHERE client_id = %(client_id)s::text AND number <= %(upto)s::bigint;

-- name: drop_old_deliveries
-- Drop those that a continuously connected broker would have repeated long ago.
DELETE FROM delivered_batch WHERE client_id = %(client_id)s::text AND kept_at < clock_timestamp() - %(age)s::interval;

-- name: drop_old_claims
-- Drop claims that no copy will meet any more.
DELETE FROM delivery WHERE client_id = %(claimed_as)s::text AND kept_at < clock_timestamp() - %(age)s::interval;
