-- name: save_probes
-- Store the newest message of each prober in a batch. In order, so that two sessions cannot deadlock.
INSERT INTO probe AS p (prober, shard_id, seq, committed_at)
SELECT prober, %(shard_id)s::int, seq, clock_timestamp() FROM unnest(%(probers)s::text[], %(seqs)s::bigint[]) AS k(prober, seq)
ORDER BY prober
ON CONFLICT (prober, shard_id) DO UPDATE SET seq = excluded.seq, committed_at = excluded.committed_at WHERE excluded.seq > p.seq;

-- name: probe_seen
-- Newest committed message of a prober, by session.
SELECT shard_id, seq FROM probe WHERE prober = %(prober)s::text;

-- name: drop_old_probes
-- Forget probers that have fallen silent.
DELETE FROM probe WHERE committed_at < clock_timestamp() - %(age)s::interval;
