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
