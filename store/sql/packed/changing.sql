-- name: days_within
-- The packed days that share time with spans of datastreams, locked until the transaction ends; without spans that a packed day only
-- touches.
SELECT p.datastream_id, p.start_time, p.end_time, p.columns
FROM packed_day p JOIN unnest(%(datastream_ids)s::int[], %(firsts)s::timestamptz[], %(lasts)s::timestamptz[])
  AS k(datastream_id, first_time, last_time) USING (datastream_id)
WHERE p.start_time > k.first_time - interval '33 days' AND p.start_time <= k.last_time AND p.end_time > k.first_time
ORDER BY p.datastream_id, p.start_time FOR UPDATE OF p;

-- name: days_of_keys
-- The packed days that may hold results of some datastreams at some times, locked until the transaction ends.
SELECT p.datastream_id, p.start_time, p.end_time, p.columns FROM packed_day p WHERE (p.datastream_id, p.start_time) IN (
    SELECT k.datastream_id, (SELECT max(q.start_time) FROM packed_day q
                             WHERE q.datastream_id = k.datastream_id AND q.start_time <= k.at AND q.start_time > k.at - interval '33 days')
    FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[]) AS k(datastream_id, at))
ORDER BY p.datastream_id, p.start_time FOR UPDATE OF p;

-- name: newest_days
-- The packed days that hold one of the newest 50 results of their datastream, without those of a span that is about to go.
SELECT p.datastream_id, p.start_time, p.end_time, p.columns
FROM unnest(%(datastream_ids)s::int[]) AS k(datastream_id)
CROSS JOIN LATERAL (
    SELECT x.*, sum(x.n) OVER (ORDER BY x.start_time DESC) - x.n AS newer FROM packed_day x
    WHERE x.datastream_id = k.datastream_id
      AND NOT (x.start_time >= %(since)s::timestamptz AND x.end_time <= %(until)s::timestamptz)
    ORDER BY x.start_time DESC LIMIT 50) p
WHERE p.newer + (SELECT count(*) FROM (
        SELECT FROM observation o WHERE o.datastream_id = k.datastream_id AND o.phenomenon_time >= p.start_time
          AND NOT (o.phenomenon_time >= %(since)s::timestamptz AND o.phenomenon_time < %(until)s::timestamptz) LIMIT 50) h) < 50
ORDER BY p.datastream_id, p.start_time;

-- name: partly_within
-- The packed days that lie partly in a span.
SELECT p.datastream_id, p.start_time, p.end_time, p.columns FROM packed_day p
WHERE p.datastream_id = ANY(%(datastream_ids)s::int[]) AND p.start_time < %(until)s::timestamptz AND p.end_time > %(since)s::timestamptz
  AND (p.start_time < %(since)s::timestamptz OR p.end_time > %(until)s::timestamptz)
ORDER BY p.datastream_id, p.start_time;

-- name: take_days
-- Packed days that are unpacked now.
DELETE FROM packed_day p USING unnest(%(datastream_ids)s::int[], %(starts)s::timestamptz[]) AS k(datastream_id, start_time)
WHERE p.datastream_id = k.datastream_id AND p.start_time = k.start_time;

-- name: whole_days
-- The packed days of a datastream that lie within a span and whose changes are noted.
SELECT p.datastream_id, p.start_time, p.end_time, p.columns FROM packed_day p
JOIN sealed_part s ON s.kind = 'observation' AND s.part = p.datastream_id AND p.start_time < s.noted_until
WHERE p.datastream_id = %(datastream_id)s::int AND p.start_time >= %(since)s::timestamptz AND p.end_time <= %(until)s::timestamptz
ORDER BY p.start_time;

-- name: take_number
-- The number of the transaction, taken before it looks what is noted, lets the sealing job wait for it.
SELECT pg_current_xact_id()::text;

-- name: note_results
-- Note the digests of results of a datastream before they change, if the changes of their days are noted.
INSERT INTO row_change (kind, part, at, key, was)
SELECT 'observation', s.part, k.at, '', k.was FROM unnest(%(times)s::timestamptz[], %(was)s::bytea[]) AS k(at, was)
JOIN sealed_part s ON s.kind = 'observation' AND s.part = %(datastream_id)s::int AND k.at < s.noted_until;
