-- name: add_shard
-- A session of the broker that is to be created. One that exists is left alone: to insert it again would wait for the ingestor
-- that updates it, and that ingestor may wait for the transaction that changes the number of shards.
INSERT INTO shard (shard_id, client_id, filters)
SELECT %(shard_id)s::int, %(client_id)s::text, '{}' WHERE NOT EXISTS (SELECT FROM shard WHERE shard_id = %(shard_id)s::int)
ON CONFLICT (shard_id) DO NOTHING;

-- name: drop_shards
-- Remove sessions that hear nothing and are no longer wanted.
DELETE FROM shard WHERE shard_id >= (SELECT wanted FROM shard_count) AND filters = '{}';

-- name: shards
-- Every session of the broker.
SELECT s.shard_id, s.client_id, s.filters, s.subscribed_at, s.holder, i.name AS held_by, s.pending, s.heartbeat_at, s.problem
FROM shard s LEFT JOIN ingestor i USING (holder) ORDER BY s.shard_id;

-- name: wanted_count
-- Planned number of shards.
SELECT wanted FROM shard_count;

-- name: hold_count
-- The same, locked against changes.
SELECT wanted FROM shard_count FOR SHARE;

-- name: count_shards
-- Number of existing shards, including those that are still being drained.
SELECT count(*) FROM shard;

-- name: set_wanted_count
-- Change the planned number.
UPDATE shard_count SET wanted = %(wanted)s::int;

-- name: homes
-- The shard that should hear each trial. A trial whose devices may no longer publish needs none.
SELECT code AS trial, shard_id FROM trial WHERE ends_at IS NULL OR ends_at > clock_timestamp() - interval '1 day' ORDER BY trial_id;

-- name: fixed_topics
-- The fixed topics of devices.
SELECT topic FROM fixed_topic ORDER BY topic;

-- name: set_home
-- Move a trial to another shard.
UPDATE trial SET shard_id = %(shard_id)s::int WHERE code = %(trial)s::text;

-- name: seen_ingestor
-- A sign of life of an ingestor.
INSERT INTO ingestor (holder, name, seen_at) VALUES (%(holder)s::text, %(name)s::text, clock_timestamp())
ON CONFLICT (holder) DO UPDATE SET seen_at = excluded.seen_at;

-- name: forget_ingestors
-- Forget ingestors that were silent for the length of a lease, and the one that leaves.
DELETE FROM ingestor WHERE seen_at < clock_timestamp() - %(lease)s::interval OR holder = %(leaving)s::text;

-- name: count_ingestors
-- Number of ingestors that share the shards.
SELECT count(*) FROM ingestor;

-- name: renew_leases
-- Renew the leases of an ingestor and tie them to this connection.
UPDATE shard SET lease_until = clock_timestamp() + %(lease)s::interval, holder_backend = pg_backend_pid(),
    holder_since = (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid())
WHERE holder = %(holder)s::text RETURNING shard_id;

-- name: take_leases
-- Take some free shards. A running batch holds its shard's row, so it is committed before the shard changes hands.
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
-- Give a lease back, so that another ingestor may take it at once.
UPDATE shard SET holder = NULL, lease_until = NULL WHERE shard_id = %(shard_id)s::int AND holder = %(holder)s::text;

-- name: holds
-- Check that this ingestor still has the lease; locked until the batch is committed.
SELECT shard_id FROM shard WHERE shard_id = %(shard_id)s::int AND holder = %(holder)s::text FOR SHARE;

-- name: hold_for_batch
-- The same for a batch: also adds its messages to the session's count and returns the total.
UPDATE shard SET committed_messages = committed_messages + %(messages)s::int
WHERE shard_id = %(shard_id)s::int AND holder = %(holder)s::text RETURNING committed_messages;

-- name: subscribed
-- Record the subscriptions that the broker has granted to the session.
UPDATE shard SET subscribed_at = clock_timestamp(), filters = %(filters)s::text[], problem = NULL
WHERE shard_id = %(shard_id)s::int;

-- name: forget_sessions
-- The broker has a new store: nothing is heard until every session is created again.
UPDATE shard SET subscribed_at = NULL, filters = '{}' WHERE subscribed_at IS NOT NULL OR filters <> '{}';

-- name: alive
-- Record signs of life of an ingestor. The first one after a long silence enters that silence as an outage of our own.
WITH noted AS (
    INSERT INTO outage (shard_id, started_at, ended_at)
    SELECT shard_id, greatest(heartbeat_at, committed_at), clock_timestamp() FROM shard
    WHERE shard_id = %(shard_id)s::int AND (%(heard)s::boolean OR %(committed)s::boolean)
      AND greatest(heartbeat_at, committed_at) < clock_timestamp() - interval '1 minute')
UPDATE shard SET heartbeat_at = CASE WHEN %(heard)s::boolean THEN clock_timestamp() ELSE heartbeat_at END,
    committed_at = CASE WHEN %(committed)s::boolean THEN clock_timestamp() ELSE committed_at END,
    pending = %(pending)s::int, dropped = dropped + %(dropped)s::bigint, problem = %(problem)s::text,
    disconnects = disconnects + %(disconnects)s::bigint, window_size = %(window)s::int
WHERE shard_id = %(shard_id)s::int;

-- name: health
-- The oldest sign of life over all shards. A commit is one too: after a broker's return it comes before the next heartbeat.
SELECT extract(epoch FROM clock_timestamp() - min(greatest(heartbeat_at, committed_at)))::float8 AS heartbeat_age_s,
       extract(epoch FROM clock_timestamp() - max(committed_at))::float8 AS commit_age_s, coalesce(sum(pending), 0)::int AS pending,
       coalesce(sum(dropped), 0)::bigint AS dropped, coalesce(sum(disconnects), 0)::bigint AS disconnects, max(window_size) AS window,
       count(*) FILTER (WHERE heartbeat_at IS NULL)::int AS silent,
       count(*)::int AS shards, max(problem) AS problem FROM shard;
