-- name: save_at_once
-- All that a batch with refusals writes of them, and its counts, if nothing is in the way: no batch of the same life of the broker may
-- be the same one, no trial lets texts stay, all fit into what is kept of each device and hour and on disk. Else only the bytes of
-- `reject_kept` are added. The counts are written if every refusal is new. Locks as the single statements do, in their order.
WITH earlier AS MATERIALIZED (
    SELECT number FROM delivered_batch
    WHERE client_id = %(client_id)s::text AND number > %(above)s::bigint AND life = %(life)s::text
      AND newest_at >= %(oldest)s::timestamptz LIMIT 1
), kept AS (
    INSERT INTO reject_kept AS r (trial, device, hour, bytes)
    SELECT * FROM unnest(%(kept_trials)s::text[], %(kept_devices)s::text[], %(kept_hours)s::timestamptz[], %(kept_bytes)s::bigint[])
         AS k(trial, device, hour, bytes)
    ORDER BY 1, 2, 3 ON CONFLICT (trial, device, hour) DO UPDATE SET bytes = r.bytes + excluded.bytes RETURNING bytes
), room AS MATERIALIZED (
    SELECT max(bytes) <= %(per_hour)s::bigint AND (SELECT pg_total_relation_size('reject')) < %(on_disk)s::bigint
       AND NOT EXISTS (SELECT FROM earlier)
       AND NOT EXISTS (SELECT FROM retention w JOIN trial t USING (trial_id)
                       WHERE t.code = ANY(%(kept_trials)s::text[]) AND w.raw_days > 0 AND w.raw_fields <> '{}') AS is_free
    FROM kept
), saved AS (
    INSERT INTO reject (reason, detail, topic, payload, size, received_at, trial, device, results, identity)
    SELECT k.* FROM unnest(%(reasons)s::text[], %(details)s::text[], %(topics)s::text[], %(payloads)s::bytea[], %(sizes)s::int[],
                           %(received)s::timestamptz[], %(trials)s::text[], %(devices)s::text[], %(results)s::int[],
                           %(identities)s::bytea[]) AS k
    WHERE (SELECT is_free FROM room) ON CONFLICT (identity, reason) DO NOTHING RETURNING identity, reason
), whole AS MATERIALIZED (
    SELECT count(*) = cardinality(%(identities)s::bytea[]) AS is_new FROM saved
), delivered AS (
    INSERT INTO delivered_batch (client_id, number, newest_at, life, mids, hashes, received)
    SELECT %(client_id)s::text, %(number)s::bigint, %(newest)s::timestamptz, %(life)s::text, %(mids)s::int[], %(hashes)s::bytea[],
           %(delivered_at)s::timestamptz[]
    WHERE (SELECT is_free FROM room) AND cardinality(%(mids)s::int[]) > 0
), counted AS (
    INSERT INTO ledger AS l (trial, device, hour, reject_id, received, accepted, partly, rejected, repeated, contained, stored,
                             duplicate, conflicting, refused, ignored)
    SELECT k.* FROM unnest(%(counted_trials)s::text[], %(counted_devices)s::text[], %(counted_hours)s::timestamptz[],
                           %(counted_reject_ids)s::bigint[], %(counted_received)s::bigint[], %(counted_accepted)s::bigint[],
                           %(counted_partly)s::bigint[], %(counted_rejected)s::bigint[], %(counted_repeated)s::bigint[],
                           %(counted_contained)s::bigint[], %(counted_stored)s::bigint[], %(counted_duplicate)s::bigint[],
                           %(counted_conflicting)s::bigint[], %(counted_refused)s::bigint[], %(counted_ignored)s::bigint[]) AS k
    WHERE (SELECT is_new FROM whole) ORDER BY 1, 2, 3, 4
    ON CONFLICT (trial, device, hour, reject_id) DO UPDATE SET
        received = l.received + excluded.received, accepted = l.accepted + excluded.accepted, partly = l.partly + excluded.partly,
        rejected = l.rejected + excluded.rejected, repeated = l.repeated + excluded.repeated,
        contained = l.contained + excluded.contained, stored = l.stored + excluded.stored,
        duplicate = l.duplicate + excluded.duplicate, conflicting = l.conflicting + excluded.conflicting,
        refused = l.refused + excluded.refused, ignored = l.ignored + excluded.ignored
    RETURNING 1
), explained AS (
    INSERT INTO ledger_reason AS l (trial, device, hour, reject_id, outcome, reason, messages, results)
    SELECT k.* FROM unnest(%(why_trials)s::text[], %(why_devices)s::text[], %(why_hours)s::timestamptz[], %(why_reject_ids)s::bigint[],
                           %(why_outcomes)s::text[], %(why_reasons)s::text[], %(why_messages)s::bigint[], %(why_results)s::bigint[]) AS k
    WHERE (SELECT count(*) FROM counted) > 0 ORDER BY 1, 2, 3, 4, 5, 6
    ON CONFLICT (trial, device, hour, reject_id, outcome, reason) DO UPDATE SET
        messages = l.messages + excluded.messages, results = l.results + excluded.results
)
SELECT is_free, is_new, CASE WHEN NOT is_new THEN (SELECT array_agg(identity) FROM saved) END,
       CASE WHEN NOT is_new THEN (SELECT array_agg(reason) FROM saved) END
FROM room CROSS JOIN whole;
