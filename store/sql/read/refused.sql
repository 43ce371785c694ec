-- name: reject_reasons
-- Rejects by reason, including those that were only counted. `devices` null: all devices of the trials; else pairs
-- `trial/device`.
WITH every AS (
    SELECT trial, device, reason, 1 AS messages, results, received_at AS last_at, replayed_at IS NOT NULL AS replayed, 0 AS dropped
    FROM reject
    UNION ALL SELECT trial, device, reason, messages, results, last_at, false, messages FROM reject_overflow)
SELECT reason, sum(messages)::int AS messages, sum(results)::int AS results, max(last_at) AS last_at,
       (count(*) FILTER (WHERE replayed))::int AS replayed,
       coalesce(sum(messages) FILTER (WHERE last_at >= %(since)s::timestamptz AND NOT replayed), 0)::int AS recent, sum(dropped)::int AS dropped
FROM every WHERE (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text)
GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: reject
-- One reject with all of its kept bytes.
SELECT reject_id, reason, detail, topic, payload, size, received_at, trial, device, results, replayed_at FROM reject
WHERE reject_id = %(reject_id)s::bigint AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]));

-- name: rejects
-- Rejects, newest first, below an id, with the first bytes of each.
SELECT reject_id, reason, detail, topic, substr(payload, 1, %(excerpt)s::int) AS payload, size, received_at, trial, device, results,
       replayed_at
FROM reject WHERE (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text) AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
  AND (%(below)s::bigint IS NULL OR reject_id < %(below)s::bigint)
ORDER BY reject_id DESC LIMIT %(most)s::int;

-- name: refused_by_reason
-- Refused results, including conflicting ones, by trial and reason.
SELECT trial, reason, sum(messages)::bigint AS messages, sum(results)::bigint AS results FROM ledger_reason
WHERE outcome = 'refused' AND reject_id = 0 GROUP BY 1, 2 ORDER BY 1, 2;
