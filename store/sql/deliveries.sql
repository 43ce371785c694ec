-- name: known_deliveries
-- Those deliveries of messages without time and seq that were committed before and may still be repeated.
SELECT d.life, d.mid, d.sha256, d.received_at FROM delivery d
JOIN unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[]) AS k(life, mid, sha256) USING (life, mid, sha256)
WHERE d.client_id = %(client_id)s::text AND d.number > %(above)s::bigint
  AND d.kept_at > clock_timestamp() - %(age)s::interval;

-- name: save_deliveries
-- Remember deliveries to recognise repeats. If the packet id belonged to another message before, it now belongs to this one.
INSERT INTO delivery (client_id, life, mid, sha256, received_at, number)
SELECT %(client_id)s::text, life, mid, sha256, received_at, %(number)s::bigint
FROM unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[], %(received)s::timestamptz[])
     AS k(life, mid, sha256, received_at) ORDER BY 2, 3, 4
ON CONFLICT (client_id, life, mid, sha256)
DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp(), number = excluded.number;

-- name: remember_deliveries
-- The same for deliveries that the broker does not call repeats; returns those of them that were committed before and may still be
-- repeated, as they were.
WITH given AS (
    SELECT * FROM unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[], %(received)s::timestamptz[]) AS k(life, mid, sha256, received_at)
), saved AS (
    INSERT INTO delivery (client_id, life, mid, sha256, received_at, number)
    SELECT %(client_id)s::text, life, mid, sha256, received_at, %(number)s::bigint FROM given ORDER BY 2, 3, 4
    ON CONFLICT (client_id, life, mid, sha256)
    DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp(), number = excluded.number)
SELECT d.life, d.mid, d.sha256, d.received_at FROM delivery d JOIN given USING (life, mid, sha256)
WHERE d.client_id = %(client_id)s::text AND d.number > %(above)s::bigint;

-- name: claim_frames
-- Claim radio frames that are new or old enough; returns them. In order; waits for another writer that claims the same frame now.
INSERT INTO delivery AS d (client_id, life, mid, sha256, received_at, number)
SELECT %(client_id)s::text, '', 0, sha256, received_at, 0
FROM unnest(%(hashes)s::bytea[], %(received)s::timestamptz[]) AS k(sha256, received_at) ORDER BY sha256
ON CONFLICT (client_id, life, mid, sha256) DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp()
WHERE d.kept_at < clock_timestamp() - %(age)s::interval RETURNING sha256;

-- name: drop_deliveries
-- Drop those whose packet ids may belong to other messages by now.
DELETE FROM delivery WHERE client_id = %(client_id)s::text AND number <= %(upto)s::bigint;

-- name: drop_old_deliveries
-- Drop those that a continuously connected broker would have repeated long ago.
DELETE FROM delivery WHERE client_id = %(client_id)s::text AND kept_at < clock_timestamp() - %(age)s::interval;
