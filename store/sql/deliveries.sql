-- name: known_deliveries
-- Which deliveries of messages without time and seq were committed before, and may still be repeated.
SELECT d.life, d.mid, d.sha256, d.received_at FROM delivery d
JOIN unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[]) AS k(life, mid, sha256) USING (life, mid, sha256)
WHERE d.client_id = %(client_id)s::text AND d.number > %(above)s::bigint
  AND d.kept_at > clock_timestamp() - %(age)s::interval;

-- name: save_deliveries
-- So that a repeat of them is known as one. Where the packet id was another message's before, it is this one's now.
INSERT INTO delivery (client_id, life, mid, sha256, received_at, number)
SELECT %(client_id)s::text, life, mid, sha256, received_at, %(number)s::bigint
FROM unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[], %(received)s::timestamptz[])
     AS k(life, mid, sha256, received_at) ORDER BY 2, 3, 4
ON CONFLICT (client_id, life, mid, sha256)
DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp(), number = excluded.number;

-- name: claim_frames
-- Radio frames, of those offered, that are new or too long ago. In order; where another writer brings the same one now, it is waited for.
INSERT INTO delivery AS d (client_id, life, mid, sha256, received_at, number)
SELECT %(client_id)s::text, '', 0, sha256, received_at, 0
FROM unnest(%(hashes)s::bytea[], %(received)s::timestamptz[]) AS k(sha256, received_at) ORDER BY sha256
ON CONFLICT (client_id, life, mid, sha256) DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp()
WHERE d.kept_at < clock_timestamp() - %(age)s::interval RETURNING sha256;

-- name: drop_deliveries
-- Those whose packet ids may belong to other messages by now.
DELETE FROM delivery WHERE client_id = %(client_id)s::text AND number <= %(upto)s::bigint;

-- name: drop_old_deliveries
-- Those that the broker, connected all the while, would have repeated long ago.
DELETE FROM delivery WHERE client_id = %(client_id)s::text AND kept_at < clock_timestamp() - %(age)s::interval;
