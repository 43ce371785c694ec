-- name: make_staging
-- COPY target for a batch before the merge; a temporary table has no row-level security.
CREATE TEMPORARY TABLE IF NOT EXISTS observation_staging (
    ordinal int, datastream_id int, phenomenon_time timestamptz, result double precision, received_at timestamptz,
    clock_quality smallint
) ON COMMIT DELETE ROWS;

-- name: merge
-- First write wins; sorted by key, so that two writers cannot deadlock. Notes what it adds to days that are sealed or about to be.
-- Returns the ordinals of the rows that met an earlier one.
WITH stored AS (
    INSERT INTO observation (datastream_id, phenomenon_time, result, received_at, clock_quality, import_id)
    SELECT datastream_id, phenomenon_time, result, received_at, clock_quality, %(import_id)s::int FROM observation_staging
    ORDER BY datastream_id, phenomenon_time ON CONFLICT DO NOTHING RETURNING datastream_id, phenomenon_time
), late AS (
    INSERT INTO row_change (kind, part, at, key)
    SELECT 'observation', o.datastream_id, o.phenomenon_time, '' FROM stored o
    JOIN sealed_part p ON p.kind = 'observation' AND p.part = o.datastream_id AND o.phenomenon_time < p.noted_until
)
SELECT s.ordinal FROM observation_staging s
WHERE NOT EXISTS (SELECT FROM stored k WHERE k.datastream_id = s.datastream_id AND k.phenomenon_time = s.phenomenon_time);

-- name: earlier_results
-- The stored results that some staged rows met. LIMIT keeps the look-up an index probe, whatever the planner assumes about the
-- staging table.
SELECT s.ordinal, o.result FROM unnest(%(ordinals)s::int[]) AS k(ordinal) JOIN observation_staging s USING (ordinal)
CROSS JOIN LATERAL (SELECT x.result FROM observation x
                    WHERE x.datastream_id = s.datastream_id AND x.phenomenon_time = s.phenomenon_time LIMIT 1) o;

-- name: newest_of
-- Times (µs since 1970) of some datastreams after which nothing is stored and no day is sealed, and up to where they are packed, with
-- their place in the list. The number of the transaction, taken now, lets the sealing job wait for it.
SELECT k.at::int, (extract(epoch FROM greatest(l.phenomenon_time, p.noted_until)) * 1000000)::int8,
       (extract(epoch FROM l.packed_to) * 1000000)::int8, pg_current_xact_id()
FROM unnest(%(datastream_ids)s::int[]) WITH ORDINALITY AS k(datastream_id, at)
JOIN datastream_latest l USING (datastream_id) LEFT JOIN sealed_part p ON p.kind = 'observation' AND p.part = l.datastream_id;

-- name: hold
-- Nothing packs these datastreams until the transaction ends.
SELECT datastream_id FROM datastream_latest WHERE datastream_id = ANY(%(datastream_ids)s::int[]) ORDER BY datastream_id FOR UPDATE;

-- name: touch_latest
-- Update the latest result of each datastream, and the first time that the checks have not seen. Counts datastreams whose results
-- at or after `unseen` may have been packed since `newest_of`.
WITH touched AS (
    INSERT INTO datastream_latest AS l (datastream_id, phenomenon_time, result, received_at, unchecked_from)
    SELECT * FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[], %(results)s::float8[], %(received)s::timestamptz[],
                         %(firsts)s::timestamptz[])
    ON CONFLICT (datastream_id) DO UPDATE SET
        phenomenon_time = greatest(l.phenomenon_time, excluded.phenomenon_time),
        result = CASE WHEN excluded.phenomenon_time >= l.phenomenon_time THEN excluded.result ELSE l.result END,
        received_at = greatest(l.received_at, excluded.received_at),
        unchecked_from = least(l.unchecked_from, excluded.unchecked_from)
    RETURNING l.datastream_id, l.packed_to)
SELECT count(*) FROM touched t
JOIN unnest(%(datastream_ids)s::int[], %(unseen)s::timestamptz[]) AS k(datastream_id, unseen) USING (datastream_id)
WHERE t.packed_to > k.unseen;

-- name: latest_of
-- The latest observation of some datastreams.
SELECT datastream_id, phenomenon_time, result, received_at FROM datastream_latest
WHERE datastream_id = ANY(%(datastream_ids)s::int[]) ORDER BY datastream_id;

-- name: count
-- All observations.
SELECT ((SELECT count(*) FROM observation) + (SELECT coalesce(sum(n), 0) FROM packed_day))::bigint;

-- name: first_receipt
-- Time of receipt of a trial's first stored observation.
SELECT min(o.received_at) FROM (SELECT datastream_id, received_at FROM observation
                                UNION ALL SELECT datastream_id, first_received FROM packed_day) o
JOIN datastream s USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text;

-- name: settle
-- Do now what autovacuum would do soon.
VACUUM (ANALYZE) observation;
