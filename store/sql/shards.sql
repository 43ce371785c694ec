-- name: add_shard
-- A session of the broker, to be made.
INSERT INTO shard (shard_id, client_id, filters) VALUES (%(shard_id)s::int, %(client_id)s::text, '{}')
ON CONFLICT (shard_id) DO NOTHING;

-- name: drop_shards
-- Sessions that hear nothing any more and are not wanted.
DELETE FROM shard WHERE shard_id >= (SELECT wanted FROM shard_count) AND filters = '{}';

-- name: shards
-- Every session of the broker.
SELECT s.shard_id, s.client_id, s.filters, s.subscribed_at, s.holder, i.name AS held_by, s.pending, s.heartbeat_at, s.problem
FROM shard s LEFT JOIN ingestor i USING (holder) ORDER BY s.shard_id;

-- name: wanted_count
-- How many there are to be.
SELECT wanted FROM shard_count;

-- name: hold_count
-- The same, held.
SELECT wanted FROM shard_count FOR SHARE;

-- name: count_shards
-- How many there are, with those that still empty themselves.
SELECT count(*) FROM shard;

-- name: set_wanted_count
-- The same, changed.
UPDATE shard_count SET wanted = %(wanted)s::int;

-- name: homes
-- Which shard is to hear which trial. A trial whose devices may no longer publish needs none.
SELECT code AS trial, shard_id FROM trial WHERE ends_at IS NULL OR ends_at > clock_timestamp() - interval '1 day' ORDER BY trial_id;

-- name: set_home
-- A trial moves to another shard.
UPDATE trial SET shard_id = %(shard_id)s::int WHERE code = %(trial)s::text;

-- name: seen_ingestor
-- A sign of life of an ingestor.
INSERT INTO ingestor (holder, name, seen_at) VALUES (%(holder)s::text, %(name)s::text, clock_timestamp())
ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at;

-- name: forget_ingestors
-- Those that gave none for the length of a lease, and the one that says good-bye.
DELETE FROM ingestor WHERE seen_at < clock_timestamp() - %(lease)s::interval OR holder = %(leaving)s::text;

-- name: count_ingestors
-- How many share the shards.
SELECT count(*) FROM ingestor;

-- name: renew_leases
-- This connection answers for what its ingestor holds.
UPDATE shard SET lease_until = clock_timestamp() + %(lease)s::interval, holder_backend = pg_backend_pid(),
    holder_since = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE holder = %(holder)s::text RETURNING shard_id;

-- name: take_leases
-- Some shards that nobody holds. A batch under way holds its shard's row, so that it is committed before the shard changes hands.
UPDATE shard SET holder = %(holder)s::text, lease_until = clock_timestamp() + %(lease)s::interval, holder_backend = pg_backend_pid(),
    holder_since = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE shard_id IN (
    SELECT shard_id FROM shard s
    WHERE holder IS NULL OR lease_until < clock_timestamp()
       OR NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = s.holder_backend
                      AND coalesce(a.backend_start = s.holder_since, true)) -- null: another account's connection
    ORDER BY shard_id LIMIT %(most)s::int FOR UPDATE SKIP LOCKED)
RETURNING shard_id;

-- name: release_lease
-- Another may take it at once.
UPDATE shard SET holder = NULL, lease_until = NULL WHERE shard_id = %(shard_id)s::int AND holder = %(holder)s::text;

-- name: holds
-- Has this ingestor the lease still; held until the batch is committed.
SELECT shard_id FROM shard WHERE shard_id = %(shard_id)s::int AND holder = %(holder)s::text FOR SHARE;

-- name: hold_for_batch
-- The same, for a batch: the session's committed messages, these included.
UPDATE shard SET committed_messages = committed_messages + %(messages)s::int
WHERE shard_id = %(shard_id)s::int AND holder = %(holder)s::text RETURNING committed_messages;

-- name: subscribed
-- What the broker has granted to the session.
UPDATE shard SET subscribed_at = clock_timestamp(), filters = %(filters)s::text[], problem = NULL
WHERE shard_id = %(shard_id)s::int;

-- name: forget_sessions
-- The broker's store is another one: nothing is heard until every session is made again.
UPDATE shard SET subscribed_at = NULL, filters = '{}' WHERE subscribed_at IS NOT NULL OR filters <> '{}';

-- name: alive
-- Signs of life of an ingestor.
UPDATE shard SET heartbeat_at = CASE WHEN %(heard)s::boolean THEN clock_timestamp() ELSE heartbeat_at END,
    committed_at = CASE WHEN %(committed)s::boolean THEN clock_timestamp() ELSE committed_at END,
    pending = %(pending)s::int, dropped = dropped + %(dropped)s::bigint, problem = %(problem)s::text,
    disconnects = disconnects + %(disconnects)s::bigint, window_size = %(window)s::int
WHERE shard_id = %(shard_id)s::int;

-- name: health
-- The oldest sign of life over all shards.
SELECT extract(epoch FROM clock_timestamp() - min(heartbeat_at))::float8 AS heartbeat_age_s,
       extract(epoch FROM clock_timestamp() - max(committed_at))::float8 AS commit_age_s, coalesce(sum(pending), 0)::int AS pending,
       coalesce(sum(dropped), 0)::bigint AS dropped, coalesce(sum(disconnects), 0)::bigint AS disconnects, max(window_size) AS window,
       count(*) FILTER (WHERE heartbeat_at IS NULL)::int AS silent,
       count(*)::int AS shards, max(problem) AS problem FROM shard;
