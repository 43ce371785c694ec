-- name: ledger
-- The ledger by device: live traffic (`replay` false) or replays of rejects.
SELECT trial, device, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, sum(partly)::bigint AS partly,
       sum(rejected)::bigint AS rejected, sum(repeated)::bigint AS repeated, sum(contained)::bigint AS contained,
       sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate, sum(conflicting)::bigint AS conflicting,
       sum(refused)::bigint AS refused, sum(ignored)::bigint AS ignored
FROM ledger WHERE (reject_id <> 0) = %(replay)s::boolean AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text)
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: ledger_stored
-- Results of live traffic that were stored, by device.
SELECT trial, device, sum(stored)::bigint AS stored
FROM ledger WHERE reject_id = 0 AND trial = ANY(%(trials)s::text[]) AND trial || '/' || device = ANY(%(devices)s::text[])
GROUP BY 1, 2;

-- name: ledger_sums
-- All results of live traffic that were stored, and messages that were refused, whole or in part.
SELECT coalesce(sum(stored), 0)::bigint AS stored, coalesce(sum(rejected + partly), 0)::bigint AS refused
FROM ledger WHERE reject_id = 0 AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]));

-- name: ledger_hours
-- The same by device and hour of first receipt, newest first, devices of an hour by name.
SELECT trial, device, hour, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, sum(partly)::bigint AS partly,
       sum(rejected)::bigint AS rejected, sum(repeated)::bigint AS repeated, sum(contained)::bigint AS contained,
       sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate, sum(conflicting)::bigint AS conflicting,
       sum(refused)::bigint AS refused, sum(ignored)::bigint AS ignored
FROM ledger WHERE (reject_id <> 0) = %(replay)s::boolean AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text)
  AND (%(start)s::timestamptz IS NULL OR hour >= %(start)s::timestamptz)
  AND (%(end)s::timestamptz IS NULL OR hour < %(end)s::timestamptz)
GROUP BY 1, 2, 3 ORDER BY hour DESC, trial, device OFFSET %(skip)s::int LIMIT %(most)s::int;
