-- name: buckets
-- Smallest, largest and mean result per bucket of time. A mean is NULL where a sum may be no number any more; `energy` is the
-- mean of 10^(L/decade) over results that can be levels, `cosine` and `sine` those of directions. `decades` and `turns`: of each
-- datastream in the order of the ids, how far a level grows with ten times the power, and a full circle; NULL where there is none.
SELECT datastream_id, date_bin(%(width)s::interval, phenomenon_time, %(start)s::timestamptz) AS at, min(result) AS smallest,
       max(result) AS largest,
       CASE WHEN max(abs(result)) < 1e290 THEN avg(result) FILTER (WHERE abs(result) < 1e290) END AS mean,
       avg(CASE WHEN result / decade BETWEEN -20 AND 30 THEN power(10::float8, result / decade) END) AS energy,
       avg(cos(2 * pi() * result / turn)) FILTER (WHERE abs(result) < 1e9) AS cosine,
       avg(sin(2 * pi() * result / turn)) FILTER (WHERE abs(result) < 1e9) AS sine, count(*)::int AS n,
       (count(*) FILTER (WHERE flag = 3))::int AS suspect, (count(*) FILTER (WHERE flag = 4))::int AS failed
FROM observation JOIN unnest(%(datastream_ids)s::int[], %(decades)s::float8[], %(turns)s::float8[])
  AS asked (datastream_id, decade, turn) USING (datastream_id)
WHERE datastream_id = ANY(%(datastream_ids)s::int[]) AND phenomenon_time >= %(start)s::timestamptz
  AND phenomenon_time < %(end)s::timestamptz GROUP BY 1, 2 ORDER BY 1, 2;

-- name: own_observations
-- One page of observations of one datastream, in order; `after` is the last time of the previous page.
SELECT phenomenon_time, result, received_at, flag, clock_quality FROM observation
WHERE datastream_id = %(datastream_id)s::int AND phenomenon_time >= %(start)s::timestamptz AND phenomenon_time < %(end)s::timestamptz
  AND (%(after)s::timestamptz IS NULL OR phenomenon_time > %(after)s::timestamptz)
ORDER BY phenomenon_time LIMIT %(most)s::int;

-- name: export
-- Observations of some datastreams with their names, in order, for export.
SELECT t.code AS trial, d.code AS device, m.name AS datastream, q.code AS property, q.unit, o.phenomenon_time, o.result, o.flag,
       o.received_at
FROM observation o JOIN datastream m USING (datastream_id) JOIN observed_property q USING (property_id)
JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE o.datastream_id = ANY(%(datastream_ids)s::int[]) AND o.phenomenon_time >= %(start)s::timestamptz
  AND o.phenomenon_time < %(end)s::timestamptz ORDER BY o.datastream_id, o.phenomenon_time;
