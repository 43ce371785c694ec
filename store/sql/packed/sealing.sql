-- name: ready
-- Datastreams with days that are noted and not sealed yet.
SELECT part, sealed_until::text AS sealed_until, noted_until, time_zone FROM sealed_part
WHERE kind = 'observation' AND sealed_until < noted_until ORDER BY part;

-- name: new_days
-- The days of a datastream in a span, and the parts of their digests.
SELECT %(part)s::int AS part, d.from_time, d.to_time, 0::bigint AS rows, '' AS sha256, r.*
FROM (SELECT DISTINCT greatest(x.day, %(since)s::timestamptz) AS from_time,
             least(date_add(x.day, '1 day', %(zone)s::text), %(until)s::timestamptz) AS to_time
      FROM (SELECT date_trunc('day', o.phenomenon_time, %(zone)s::text) AS day FROM observation o WHERE o.datastream_id = %(part)s::int
              AND o.phenomenon_time >= %(since)s::timestamptz AND o.phenomenon_time < %(until)s::timestamptz
            UNION SELECT date_trunc('day', c.at, %(zone)s::text) FROM row_change c WHERE c.kind = 'observation' AND c.part = %(part)s::int
              AND c.at >= %(since)s::timestamptz AND c.at < %(until)s::timestamptz
            UNION SELECT g.day FROM packed_day p
            CROSS JOIN LATERAL generate_series(date_trunc('day', greatest(p.start_time, %(since)s::timestamptz), %(zone)s::text),
                                               least(p.end_time, %(until)s::timestamptz), '1 day', %(zone)s::text) AS g(day)
            WHERE p.datastream_id = %(part)s::int AND p.start_time > %(since)s::timestamptz - interval '33 days'
              AND p.start_time < %(until)s::timestamptz AND p.end_time > %(since)s::timestamptz
              AND g.day < least(p.end_time, %(until)s::timestamptz)) x) d
CROSS JOIN LATERAL results_of(%(part)s::int, d.from_time, d.to_time) r ORDER BY d.from_time;

-- name: noted_packed
-- Sealed days with packed results in which something was noted since, with the digest of their seal.
SELECT n.part, n.from_time, n.to_time, n.sha256 FROM noted_day n WHERE is_packed(n.kind, n.part, n.from_time, n.to_time) ORDER BY 1, 2;

-- name: take_notes
-- Take the notes of a span of a datastream away: the first about each result. Those of transactions that have not ended stay.
WITH gone AS (
    DELETE FROM row_change WHERE kind = 'observation' AND part = %(part)s::int AND at >= %(since)s::timestamptz AND at < %(until)s::timestamptz
    RETURNING at, was, note_id)
SELECT DISTINCT ON (at) (extract(epoch FROM at) * 1000000)::bigint, was FROM gone ORDER BY at, note_id;

-- name: one_day
-- The parts of the digest of a span.
SELECT %(part)s::int AS part, %(since)s::timestamptz AS from_time, %(until)s::timestamptz AS to_time, 0::bigint AS rows, '' AS sha256, r.*
FROM results_of(%(part)s::int, %(since)s::timestamptz, %(until)s::timestamptz) r;

-- name: doubtful
-- Which of these results of a datastream, by their place, no row explains.
SELECT k.n::int FROM unnest(%(times)s::timestamptz[], %(was)s::bytea[]) WITH ORDINALITY AS k(at, was, n)
WHERE k.was IS NOT NULL AND NOT is_explained(%(part)s::int, k.at, k.was);

-- name: save_days
-- Seal days of a datastream.
INSERT INTO sealed_day (seal_id, kind, part, from_time, to_time, rows, sha256)
SELECT %(seal)s::int, 'observation', %(part)s::int, k.from_time, k.to_time, k.rows, k.sha256
FROM unnest(%(starts)s::timestamptz[], %(ends)s::timestamptz[], %(rows)s::bigint[], %(digests)s::text[]) AS k(from_time, to_time, rows, sha256);

-- name: move_end
-- A datastream is sealed up to where its changes are noted.
UPDATE sealed_part SET sealed_until = %(until)s::timestamptz WHERE kind = 'observation' AND part = %(part)s::int;

-- name: sealed_packed
-- Sealed days with packed results, with the parts of their digests; the same choice as `differing_days`.
WITH newest AS MATERIALIZED (
    SELECT kind, part, from_time, to_time, rows, sha256, sum(rows) OVER (ORDER BY md5(concat(%(salt)s::text, kind, part, from_time))) AS before
    FROM (SELECT DISTINCT ON (kind, part, from_time) kind, part, from_time, to_time, rows, sha256
          FROM sealed_day ORDER BY kind, part, from_time, seal_id DESC) x
)
SELECT n.part, n.from_time, n.to_time, n.rows, n.sha256, r.* FROM newest n CROSS JOIN LATERAL results_of(n.part, n.from_time, n.to_time) r
WHERE n.before - n.rows <= %(most)s::bigint AND is_packed(n.kind, n.part, n.from_time, n.to_time) ORDER BY n.part, n.from_time;

-- name: outside
-- Packed days that reach into time that is sealed without any rows, and that time.
SELECT p.datastream_id AS part, lower(u.span) AS from_time, upper(u.span) AS to_time, 0::bigint AS rows, '' AS sha256,
       NULL::bigint[] AS times, NULL::bytea[] AS digests,
       (SELECT array_agg((extract(epoch FROM c.at) * 1000000)::bigint) FROM row_change c WHERE c.kind = 'observation'
        AND c.part = p.datastream_id AND c.at >= lower(u.span) AND c.at < upper(u.span)) AS noted,
       NULL::bytea[] AS was, ARRAY[p.columns] AS packed
FROM packed_day p JOIN sealed_part s ON s.kind = 'observation' AND s.part = p.datastream_id AND p.start_time < s.sealed_until
CROSS JOIN LATERAL unnest(tstzmultirange(tstzrange(p.start_time, least(p.end_time, s.sealed_until))) - coalesce((
    SELECT range_agg(tstzrange(d.from_time, d.to_time)) FROM sealed_day d WHERE d.kind = 'observation' AND d.part = p.datastream_id
      AND d.from_time > p.start_time - interval '2 days' AND d.from_time < p.end_time AND d.to_time > p.start_time), '{}')) AS u(span)
ORDER BY 1, 2;
