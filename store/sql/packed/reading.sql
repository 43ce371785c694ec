-- name: series
-- Results of some datastreams in `[start, end)`, from both homes in one snapshot: packed days whole, as bytes; the others as arrays,
-- because a row costs more than a value. In no guaranteed order. `codes`: flag + 16 · clock_quality.
SELECT p.datastream_id, NULL::timestamptz[] AS times, NULL::float8[] AS results, NULL::timestamptz[] AS received,
       NULL::smallint[] AS codes, p.columns
FROM packed_day p
WHERE p.datastream_id = ANY(%(datastream_ids)s::int[]) AND p.start_time > %(start)s::timestamptz - interval '33 days'
  AND p.start_time < %(end)s::timestamptz AND p.end_time > %(start)s::timestamptz
UNION ALL
SELECT o.datastream_id, array_agg(o.phenomenon_time), array_agg(o.result), array_agg(o.received_at),
       array_agg((o.flag | (o.clock_quality << 4))::smallint), NULL
FROM observation o
WHERE o.datastream_id = ANY(%(datastream_ids)s::int[]) AND o.phenomenon_time >= %(start)s::timestamptz
  AND o.phenomenon_time < %(end)s::timestamptz GROUP BY o.datastream_id, date_bin('16 days', o.phenomenon_time, '2000-01-01Z');

-- name: by_day
-- As `series`, for many results of a bounded time: day after day, because results of one time lie together on disk.
SELECT p.datastream_id, NULL::timestamptz[] AS times, NULL::float8[] AS results, NULL::timestamptz[] AS received,
       NULL::smallint[] AS codes, p.columns
FROM packed_day p
WHERE p.datastream_id = ANY(%(datastream_ids)s::int[]) AND p.start_time > %(start)s::timestamptz - interval '33 days'
  AND p.start_time < %(end)s::timestamptz AND p.end_time > %(start)s::timestamptz
UNION ALL
SELECT o.* FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz, interval '1 day') AS day
CROSS JOIN LATERAL (
    SELECT datastream_id, array_agg(phenomenon_time), array_agg(result), array_agg(received_at),
           array_agg((flag | (clock_quality << 4))::smallint), NULL::bytea
    FROM observation WHERE datastream_id = ANY(%(datastream_ids)s::int[]) AND phenomenon_time >= day
      AND phenomenon_time < least(day + interval '1 day', %(end)s::timestamptz) GROUP BY datastream_id) o;

-- name: page
-- As `series`, of one datastream: what holds its first `most` results after `after`. Packed days never overlap, so those that begin
-- once `most` results have passed hold none of them; the first may hold results before the page, which do not count.
SELECT p.datastream_id, NULL::timestamptz[] AS times, NULL::float8[] AS results, NULL::timestamptz[] AS received,
       NULL::smallint[] AS codes, p.columns
FROM (SELECT d.datastream_id, d.columns, sum(d.n) OVER w - d.n - first_value(d.n) OVER w AS passed FROM packed_day d
      WHERE d.datastream_id = %(datastream_id)s::int AND d.start_time > %(start)s::timestamptz - interval '33 days'
        AND d.start_time < %(end)s::timestamptz AND d.end_time > %(start)s::timestamptz
      WINDOW w AS (ORDER BY d.start_time)) p
WHERE p.passed < %(most)s::int
UNION ALL
SELECT o.datastream_id, array_agg(o.phenomenon_time), array_agg(o.result), array_agg(o.received_at),
       array_agg((o.flag | (o.clock_quality << 4))::smallint), NULL
FROM (SELECT x.* FROM observation x
      WHERE x.datastream_id = %(datastream_id)s::int AND x.phenomenon_time >= %(start)s::timestamptz
        AND x.phenomenon_time < %(end)s::timestamptz ORDER BY x.phenomenon_time LIMIT %(most)s::int) o GROUP BY o.datastream_id;

-- name: in_order
-- As `series`, by datastream and time of the first result or of the start of the packed day: for an export that is read as it is
-- written.
SELECT x.* FROM (
    SELECT p.datastream_id, p.start_time AS begins, NULL::timestamptz[] AS times, NULL::float8[] AS results,
           NULL::timestamptz[] AS received, NULL::smallint[] AS codes, p.columns
    FROM packed_day p
    WHERE p.datastream_id = ANY(%(datastream_ids)s::int[]) AND p.start_time > %(start)s::timestamptz - interval '33 days'
      AND p.start_time < %(end)s::timestamptz AND p.end_time > %(start)s::timestamptz
    UNION ALL
    SELECT o.datastream_id, min(o.phenomenon_time), array_agg(o.phenomenon_time), array_agg(o.result), array_agg(o.received_at),
           array_agg((o.flag | (o.clock_quality << 4))::smallint), NULL
    FROM observation o
    WHERE o.datastream_id = ANY(%(datastream_ids)s::int[]) AND o.phenomenon_time >= %(start)s::timestamptz
      AND o.phenomenon_time < %(end)s::timestamptz GROUP BY o.datastream_id, date_bin('1 day', o.phenomenon_time, '2000-01-01Z')) x
ORDER BY x.datastream_id, x.begins;

-- name: days_at
-- The packed days that may hold results of some datastreams at some times. LIMIT keeps each look-up an index probe, whatever the
-- planner assumes about the arrays.
SELECT p.datastream_id, p.columns
FROM (SELECT DISTINCT k.datastream_id, s.start_time
      FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[]) AS k(datastream_id, at)
      CROSS JOIN LATERAL (SELECT q.start_time FROM packed_day q WHERE q.datastream_id = k.datastream_id AND q.start_time <= k.at
                          AND q.start_time > k.at - interval '33 days' ORDER BY q.start_time DESC LIMIT 1) s) d
CROSS JOIN LATERAL (SELECT x.datastream_id, x.columns FROM packed_day x WHERE x.datastream_id = d.datastream_id
                    AND x.start_time = d.start_time LIMIT 1) p;

-- name: hold_chunks
-- Nobody packs chunks until the transaction ends. Before the snapshot of a reader, or of a COPY, is taken.
SELECT hold_chunks();
