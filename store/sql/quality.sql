-- name: take_turn
-- Let only one transaction at a time run the checks over a trial; the lock ends with the transaction.
SELECT pg_advisory_xact_lock(7031871, t.trial_id) FROM trial t WHERE t.code = %(trial)s::text;

-- name: make_staging
-- Temporary table for the flags of a run; it lives until the transaction ends.
CREATE TEMPORARY TABLE IF NOT EXISTS quality_staging (phenomenon_time timestamptz, flag smallint) ON COMMIT DROP;

-- name: raise_flags
-- Roll up a run; touches only rows whose flag changes.
UPDATE observation o SET flag = s.flag FROM quality_staging s
WHERE o.datastream_id = %(datastream_id)s::int AND o.phenomenon_time BETWEEN %(first)s::timestamptz AND %(last)s::timestamptz
  AND o.phenomenon_time = s.phenomenon_time AND o.flag <> s.flag;

-- name: empty_staging
-- Empty the table for the next datastream.
TRUNCATE quality_staging;

-- name: clear_flags
-- Remove the flags of the previous run within the times checked now.
DELETE FROM quality_flag WHERE datastream_id = %(datastream_id)s::int
  AND phenomenon_time BETWEEN %(first)s::timestamptz AND %(last)s::timestamptz;

-- name: save_run
-- Record the checks that ran and their parameters.
INSERT INTO quality_run (datastream_id, checked_at, checks, ran, parameters, sha256)
VALUES (%(datastream_id)s::int, %(now)s::timestamptz, %(checks)s::text[], %(ran)s::text[], %(parameters)s::text, %(sha256)s::text)
ON CONFLICT (datastream_id) DO UPDATE SET checked_at = excluded.checked_at, checks = excluded.checks, ran = excluded.ran,
    parameters = excluded.parameters, sha256 = excluded.sha256;

-- name: mark_checked
-- Mark everything up to the run as checked; a result that arrived meanwhile stays unchecked.
UPDATE datastream_latest SET unchecked_from = NULL
WHERE datastream_id = %(datastream_id)s::int AND received_at <= %(received_before)s::timestamptz;

-- name: unchecked
-- Datastreams with observations that no check has seen.
SELECT l.datastream_id, l.unchecked_from FROM datastream_latest l JOIN datastream s USING (datastream_id)
JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE l.unchecked_from IS NOT NULL AND t.code = %(trial)s::text ORDER BY l.datastream_id;

-- name: runs
-- The last run over each datastream.
SELECT datastream_id, checked_at, checks, ran, parameters, sha256 FROM quality_run
WHERE datastream_id = ANY(%(datastream_ids)s::int[]) ORDER BY datastream_id;

-- name: check_counts
-- How many observations did not pass each check.
SELECT datastream_id, check_name, count(*) AS n FROM quality_flag
WHERE datastream_id = ANY(%(datastream_ids)s::int[]) AND phenomenon_time >= %(start)s::timestamptz
  AND phenomenon_time < %(end)s::timestamptz GROUP BY 1, 2 ORDER BY 1, 2;

-- name: flags_of
-- Per-check flags that are not PASS.
SELECT datastream_id, phenomenon_time, check_name, flag FROM quality_flag
WHERE datastream_id = ANY(%(datastream_ids)s::int[]) AND phenomenon_time >= %(start)s::timestamptz
  AND phenomenon_time < %(end)s::timestamptz ORDER BY 1, 2, 3;
