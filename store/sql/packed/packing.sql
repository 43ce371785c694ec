-- name: may_pack
-- Whether a trial may be packed now: nothing runs its checks, corrects, withdraws or erases; holds them off until the transaction
-- ends.
SELECT pg_try_advisory_xact_lock(7031871, t.trial_id) FROM trial t WHERE t.code = %(trial)s::text;

-- name: packable
-- Datastreams of a trial with results that lie before a time and are none of their newest 50, in order, from one on: first such time,
-- end of those times, and what decides on their days. `half_s`: from the time of a result to the middle of the interval that it stands
-- for. In order from within, so that LIMIT ends the search.
SELECT m.datastream_id, m.time_zone, f.first_time, least(k.phenomenon_time, %(before)s::timestamptz) AS until, m.scale, m.shift,
       extract(epoch FROM m.expected_interval)::float8 AS expected_s,
       CASE WHEN extract(month FROM m.expected_interval) + extract(year FROM m.expected_interval) > 0 THEN 0
            WHEN m.stamp = 'begin' THEN extract(epoch FROM m.expected_interval) / 2
            WHEN m.stamp = 'end' THEN -extract(epoch FROM m.expected_interval) / 2 ELSE 0 END::float8 AS half_s, m.packed_to
FROM (SELECT s.datastream_id, t.time_zone, s.scale, s.shift, s.expected_interval, s.stamp, l.packed_to
      FROM datastream s JOIN device d USING (device_id) JOIN trial t USING (trial_id) JOIN datastream_latest l USING (datastream_id)
      WHERE t.code = %(trial)s::text AND s.datastream_id > %(after)s::int ORDER BY s.datastream_id OFFSET 0) m
CROSS JOIN LATERAL (SELECT o.phenomenon_time AS first_time FROM observation o WHERE o.datastream_id = m.datastream_id
                    ORDER BY o.phenomenon_time LIMIT 1) f
CROSS JOIN LATERAL (SELECT o.phenomenon_time FROM observation o WHERE o.datastream_id = m.datastream_id
                    AND f.first_time < %(before)s::timestamptz ORDER BY o.phenomenon_time DESC OFFSET 49 LIMIT 1) k
WHERE f.first_time < least(k.phenomenon_time, %(before)s::timestamptz) ORDER BY m.datastream_id LIMIT %(most)s::bigint;

-- name: hold_streams
-- Those of some datastreams into which nobody writes earlier results now; locked until the transaction ends.
SELECT datastream_id FROM datastream_latest WHERE datastream_id = ANY(%(datastream_ids)s::int[])
ORDER BY datastream_id FOR UPDATE SKIP LOCKED;

-- name: counts_before
-- How many results of each datastream lie in a span and in no packed day.
SELECT k.datastream_id, c.n::float8
FROM unnest(%(datastream_ids)s::int[], %(firsts)s::timestamptz[], %(untils)s::timestamptz[]) AS k(datastream_id, first, until)
CROSS JOIN LATERAL (SELECT count(*) AS n FROM observation o WHERE o.datastream_id = k.datastream_id
                    AND o.phenomenon_time >= k.first AND o.phenomenon_time < k.until) c;

-- name: spans_beside
-- The packed days of each datastream that share time with a span, or with the month in which it begins, in order.
SELECT p.datastream_id, p.start_time, p.end_time
FROM unnest(%(datastream_ids)s::int[], %(firsts)s::timestamptz[], %(untils)s::timestamptz[]) AS k(datastream_id, first, until)
CROSS JOIN LATERAL (SELECT d.datastream_id, d.start_time, d.end_time FROM packed_day d WHERE d.datastream_id = k.datastream_id
                    AND d.start_time > k.first - interval '66 days' AND d.start_time < k.until ORDER BY d.start_time) p
ORDER BY p.datastream_id, p.start_time;

-- name: to_pack
-- Results of some datastreams in one span that are packed now, as arrays in no order: a row costs more than a value. `codes` as
-- `series` has them. Few come from an import: `numbered` are the times of those, null if there are none.
SELECT o.datastream_id, array_agg(o.phenomenon_time) AS times, array_agg(o.result) AS results, array_agg(o.received_at) AS received,
       array_agg((o.flag | (o.clock_quality << 4))::smallint) AS codes,
       array_agg(o.phenomenon_time) FILTER (WHERE o.import_id IS NOT NULL) AS numbered,
       array_agg(o.import_id) FILTER (WHERE o.import_id IS NOT NULL) AS imports
FROM observation o
WHERE o.datastream_id = ANY(%(datastream_ids)s::int[]) AND o.phenomenon_time >= %(first)s::timestamptz
  AND o.phenomenon_time < %(until)s::timestamptz GROUP BY o.datastream_id;

-- name: take_out
-- They leave `observation`. To delete and return them in one statement takes half as long again.
DELETE FROM observation WHERE datastream_id = ANY(%(datastream_ids)s::int[]) AND phenomenon_time >= %(first)s::timestamptz
  AND phenomenon_time < %(until)s::timestamptz;

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
