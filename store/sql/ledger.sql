-- name: add_ledger
-- Counts of a batch; counters only grow.
INSERT INTO ledger AS l (trial, device, hour, reject_id, received, accepted, partly, rejected, repeated, contained, stored,
                         duplicate, conflicting, refused, ignored)
SELECT * FROM unnest(%(trials)s::text[], %(devices)s::text[], %(hours)s::timestamptz[], %(reject_ids)s::bigint[],
                     %(received)s::bigint[], %(accepted)s::bigint[], %(partly)s::bigint[], %(rejected)s::bigint[],
                     %(repeated)s::bigint[], %(contained)s::bigint[], %(stored)s::bigint[], %(duplicate)s::bigint[],
                     %(conflicting)s::bigint[], %(refused)s::bigint[], %(ignored)s::bigint[]) AS k
ORDER BY 1, 2, 3, 4
ON CONFLICT (trial, device, hour, reject_id) DO UPDATE SET
    received = l.received + excluded.received, accepted = l.accepted + excluded.accepted, partly = l.partly + excluded.partly,
    rejected = l.rejected + excluded.rejected, repeated = l.repeated + excluded.repeated,
    contained = l.contained + excluded.contained, stored = l.stored + excluded.stored,
    duplicate = l.duplicate + excluded.duplicate, conflicting = l.conflicting + excluded.conflicting,
    refused = l.refused + excluded.refused, ignored = l.ignored + excluded.ignored;

-- name: add_reasons
-- Refused and ignored results, by reason.
INSERT INTO ledger_reason AS l (trial, device, hour, reject_id, outcome, reason, messages, results)
SELECT * FROM unnest(%(trials)s::text[], %(devices)s::text[], %(hours)s::timestamptz[], %(reject_ids)s::bigint[],
                     %(outcomes)s::text[], %(reasons)s::text[], %(messages)s::bigint[], %(results)s::bigint[]) AS k
ORDER BY 1, 2, 3, 4, 5, 6
ON CONFLICT (trial, device, hour, reject_id, outcome, reason) DO UPDATE SET
    messages = l.messages + excluded.messages, results = l.results + excluded.results;

-- name: recount_stored
-- Compare ledger and observations, also withdrawn and erased ones, by device.
WITH counted AS (SELECT trial, device, sum(stored) AS stored FROM ledger GROUP BY 1, 2),
     present AS (SELECT trial, device, sum(n)::bigint AS n FROM (
                     SELECT t.code AS trial, d.code AS device, o.n FROM (
                         SELECT datastream_id, count(*) AS n FROM observation GROUP BY 1
                         UNION ALL SELECT datastream_id, n FROM packed_day
                         UNION ALL SELECT datastream_id, count(*) FROM withdrawn_observation WHERE NOT restored GROUP BY 1) o
                     JOIN datastream s USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
                     UNION ALL SELECT trial, device, booked FROM erased_rows WHERE booked > 0) x
                 GROUP BY 1, 2)
SELECT trial, device, 'observations' AS what, coalesce(stored, 0)::bigint AS counted, coalesce(n, 0)::bigint AS present
FROM counted FULL JOIN present USING (trial, device) WHERE coalesce(stored, 0) <> coalesce(n, 0) ORDER BY 1, 2;

-- name: recount_rejects
-- Compare the ledger's refusals with rejects, kept or counted, by device.
WITH counted AS (SELECT trial, device, sum(messages) AS refused FROM ledger_reason
                 WHERE outcome = 'refused' AND reject_id = 0 GROUP BY 1, 2),
     present AS (SELECT trial, device, sum(n) AS n FROM (
                     SELECT trial, device, count(*) AS n FROM reject GROUP BY 1, 2
                     UNION ALL SELECT trial, device, sum(messages) FROM reject_overflow GROUP BY 1, 2) AS x GROUP BY 1, 2)
SELECT trial, device, 'rejects' AS what, coalesce(refused, 0)::bigint AS counted, coalesce(n, 0)::bigint AS present
FROM counted FULL JOIN present USING (trial, device) WHERE coalesce(refused, 0) <> coalesce(n, 0) ORDER BY 1, 2;

-- name: totals
-- The ledger by device, for some trials (null: all).
SELECT trial, device, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, sum(partly)::bigint AS partly,
       sum(rejected)::bigint AS rejected, sum(repeated)::bigint AS repeated, sum(contained)::bigint AS contained,
       sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate, sum(conflicting)::bigint AS conflicting,
       sum(refused)::bigint AS refused, sum(ignored)::bigint AS ignored
FROM ledger WHERE reject_id = 0 AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
GROUP BY trial, device ORDER BY trial, device;

-- name: reject_counts
-- Rejects of a trial by device and reason, including those that were not kept.
SELECT device, reason, sum(messages)::int AS messages, sum(results)::int AS results, max(last_at) AS last_at FROM (
    SELECT device, reason, count(*) AS messages, sum(results) AS results, max(received_at) AS last_at FROM reject
    WHERE trial = %(trial)s::text AND received_at < %(before)s::timestamptz GROUP BY 1, 2
    UNION ALL SELECT device, reason, messages, results, last_at FROM reject_overflow
    WHERE trial = %(trial)s::text AND first_at < %(before)s::timestamptz) AS x
GROUP BY 1, 2 ORDER BY 1, 2;
