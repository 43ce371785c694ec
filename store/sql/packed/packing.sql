-- name: may_pack
-- Whether a trial may be packed now: nothing runs its checks, corrects, withdraws or erases; holds them off until the transaction
-- ends.
SELECT pg_try_advisory_xact_lock(7031871, t.trial_id) FROM trial t WHERE t.code = %(trial)s::text;

-- name: packable
-- Datastreams of a trial with results that lie before a time and are none of their newest 50: first such time, end of those times,
-- and what decides on their days. `half_s`: from the time of a result to the middle of its interval.
SELECT m.datastream_id, t.time_zone, f.first_time, least(k.phenomenon_time, %(before)s::timestamptz) AS until, m.scale, m.shift,
       extract(epoch FROM m.expected_interval)::float8 AS expected_s,
       CASE WHEN extract(month FROM m.expected_interval) + extract(year FROM m.expected_interval) > 0 THEN 0
            WHEN m.stamp = 'begin' THEN extract(epoch FROM m.expected_interval) / 2
            WHEN m.stamp = 'end' THEN -extract(epoch FROM m.expected_interval) / 2 ELSE 0 END::float8 AS half_s
FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id) JOIN datastream_latest l USING (datastream_id)
CROSS JOIN LATERAL (SELECT o.phenomenon_time AS first_time FROM observation o WHERE o.datastream_id = m.datastream_id
                    ORDER BY o.phenomenon_time LIMIT 1) f
CROSS JOIN LATERAL (SELECT o.phenomenon_time FROM observation o WHERE o.datastream_id = m.datastream_id
                    AND f.first_time < %(before)s::timestamptz ORDER BY o.phenomenon_time DESC OFFSET 49 LIMIT 1) k
WHERE t.code = %(trial)s::text AND f.first_time < least(k.phenomenon_time, %(before)s::timestamptz) ORDER BY m.datastream_id;

-- name: hold_streams
-- Those of some datastreams into which nobody writes earlier results now; locked until the transaction ends.
SELECT datastream_id FROM datastream_latest WHERE datastream_id = ANY(%(datastream_ids)s::int[])
ORDER BY datastream_id FOR UPDATE SKIP LOCKED;

-- name: count_before
-- How many results of a datastream lie in a span and in no packed day.
SELECT count(*) FROM observation o
WHERE o.datastream_id = %(datastream_id)s::int AND o.phenomenon_time >= %(first)s::timestamptz AND o.phenomenon_time < %(until)s::timestamptz;

-- name: spans_beside
-- The packed days of a datastream that share time with a span, or with the month in which it begins.
SELECT p.start_time, p.end_time FROM packed_day p
WHERE p.datastream_id = %(datastream_id)s::int AND p.start_time > %(first)s::timestamptz - interval '66 days'
  AND p.start_time < %(until)s::timestamptz ORDER BY p.start_time;

-- name: take_out
-- Results of a datastream that are packed now, as arrays in no order: a row costs more than a value. `codes` as `series` has them;
-- −1: no import.
WITH gone AS (
    DELETE FROM observation WHERE datastream_id = %(datastream_id)s::int AND phenomenon_time >= %(first)s::timestamptz
      AND phenomenon_time < %(until)s::timestamptz
    RETURNING phenomenon_time, result, received_at, (flag | (clock_quality << 4))::smallint AS code, coalesce(import_id, -1) AS import_id)
SELECT array_agg(phenomenon_time) AS times, array_agg(result) AS results, array_agg(received_at) AS received, array_agg(code) AS codes,
       array_agg(import_id) AS imports FROM gone;

-- name: mark_packed
-- Up to where a datastream is packed: a writer of earlier results looks among the packed days.
UPDATE datastream_latest l SET packed_to = greatest(l.packed_to, k.packed_to)
FROM unnest(%(datastream_ids)s::int[], %(ends)s::timestamptz[]) AS k(datastream_id, packed_to) WHERE l.datastream_id = k.datastream_id;

-- name: limit_waiting
-- The packer waits for nobody longer than this.
SELECT set_config('lock_timeout', '500ms', true);

-- name: moves_begin
-- Results that leave `observation` from now on are moved, not changed: no trigger notes them. Until the transaction ends.
SELECT set_config('insitu.packs', 'on', true);

-- name: moves_end
-- From now on they are noted again.
SELECT set_config('insitu.packs', 'off', true);
