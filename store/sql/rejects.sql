-- name: save_rejects
-- Refusals with their bytes; the same message refused again is the same reject.
INSERT INTO reject (reason, detail, topic, payload, size, received_at, trial, device, results, identity, raw_until, import_id)
SELECT k.*, %(import_id)s::int FROM unnest(%(reasons)s::text[], %(details)s::text[], %(topics)s::text[], %(payloads)s::bytea[], %(sizes)s::int[],
                     %(received)s::timestamptz[], %(trials)s::text[], %(devices)s::text[], %(results)s::int[],
                     %(identities)s::bytea[], %(raw_until)s::timestamptz[]) AS k
ON CONFLICT (identity, reason) DO NOTHING RETURNING identity, reason;

-- name: add_kept
-- Add the bytes that this batch keeps of some devices and hours; locked, in order, until it is committed. Returns their sums, the
-- size of all rejects on disk, with their indexes, and the trials that let texts of some fields stay for some days; null: none does.
INSERT INTO reject_kept AS r (trial, device, hour, bytes)
SELECT * FROM unnest(%(trials)s::text[], %(devices)s::text[], %(hours)s::timestamptz[], %(bytes)s::bigint[]) AS k(trial, device, hour, bytes)
ORDER BY 1, 2, 3 ON CONFLICT (trial, device, hour) DO UPDATE SET bytes = r.bytes + excluded.bytes
RETURNING trial, device, hour, bytes, (SELECT pg_total_relation_size('reject')),
    (SELECT json_agg(json_build_array(t.code, w.raw_fields, w.raw_days)) FROM retention w JOIN trial t USING (trial_id)
     WHERE t.code = ANY(%(trials)s::text[]) AND w.raw_days > 0 AND w.raw_fields <> '{}');

-- name: correct_kept
-- Take back the bytes of those that were not kept after all.
UPDATE reject_kept r SET bytes = r.bytes - k.bytes
FROM unnest(%(trials)s::text[], %(devices)s::text[], %(hours)s::timestamptz[], %(bytes)s::bigint[]) AS k(trial, device, hour, bytes)
WHERE (r.trial, r.device, r.hour) = (k.trial, k.device, k.hour);

-- name: known_rejects
-- Refusals that were kept before.
SELECT identity, reason FROM reject WHERE identity = ANY(%(identities)s::bytea[]);

-- name: add_overflow
-- Refusals that are only counted.
INSERT INTO reject_overflow AS o (trial, device, hour, reason, messages, results, bytes, first_at, last_at)
SELECT trial, device, hour, reason, count(*), sum(results), sum(size), min(received_at), max(received_at)
FROM unnest(%(trials)s::text[], %(devices)s::text[], %(hours)s::timestamptz[], %(reasons)s::text[], %(results)s::int[],
            %(sizes)s::int[], %(received)s::timestamptz[]) AS k(trial, device, hour, reason, results, size, received_at)
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
ON CONFLICT (trial, device, hour, reason) DO UPDATE SET messages = o.messages + excluded.messages,
    results = o.results + excluded.results, bytes = o.bytes + excluded.bytes,
    first_at = least(o.first_at, excluded.first_at), last_at = greatest(o.last_at, excluded.last_at);

-- name: claim_rejects
-- Rejects of an import that was withdrawn: this import refuses the same messages again.
UPDATE reject r SET import_id = %(import_id)s::int FROM import i
WHERE r.identity = ANY(%(identities)s::bytea[]) AND i.import_id = r.import_id AND i.withdrawn_at IS NOT NULL;

-- name: failed_messages
-- Messages on which Insitu itself failed and that were not replayed yet.
SELECT count(*) FROM reject WHERE reason = 'internal_error' AND replayed_at IS NULL AND erased_by IS NULL;
