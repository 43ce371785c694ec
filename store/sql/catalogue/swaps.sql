-- name: streams_of
-- Datastreams of a device as a swap compares them, and whether they have observations.
SELECT m.datastream_id, m.name, p.code AS property, m.unit, m.scale, m.shift, m.role, m.result_type, m.stamp,
       CASE WHEN NOT m.interval_reported THEN m.expected_interval::text END AS every,
       EXISTS (SELECT FROM observation o WHERE o.datastream_id = m.datastream_id) AS in_use
FROM datastream m JOIN observed_property p USING (property_id) WHERE m.device_id = %(device_id)s::int ORDER BY m.name;

-- name: copy_stream
-- Give a device a datastream like another one.
INSERT INTO datastream (device_id, sensor_id, property_id, name, unit, scale, shift, role, result_type, expected_interval,
                        interval_reported, stamp)
SELECT %(device_id)s::int, (SELECT min(s.sensor_id) FROM sensor s WHERE s.device_id = %(device_id)s::int
                            AND NOT EXISTS (SELECT FROM sensor n WHERE n.replaces = s.sensor_id) HAVING count(*) = 1),
       property_id, name, unit, scale, shift, role, result_type, expected_interval, interval_reported, stamp
FROM datastream WHERE datastream_id = %(datastream_id)s::int;

-- name: make_like
-- Make a datastream that has no observations like another one.
UPDATE datastream m SET name = o.name, property_id = o.property_id, unit = o.unit, scale = o.scale, shift = o.shift, role = o.role,
    result_type = o.result_type, expected_interval = o.expected_interval, interval_reported = o.interval_reported, stamp = o.stamp
FROM datastream o WHERE m.datastream_id = %(datastream_id)s::int AND o.datastream_id = %(like)s::int;

-- name: same_interval
-- Give a datastream the interval and the stamp of another one: they change no result.
UPDATE datastream m SET expected_interval = o.expected_interval, interval_reported = o.interval_reported, stamp = o.stamp
FROM datastream o WHERE m.datastream_id = %(datastream_id)s::int AND o.datastream_id = %(like)s::int;

-- name: map_also
-- A mapping of some devices holds for one more.
UPDATE mapping m SET devices = m.devices || %(device)s::text FROM trial t
WHERE t.trial_id = m.trial_id AND t.code = %(trial)s::text AND m.field = %(field)s::text AND m.devices = %(devices)s::text[];

-- name: later_deployment
-- Remove the place that a device was given at or after a time: the swap says where it is.
DELETE FROM deployment WHERE device_id = %(device_id)s::int AND lower(period) >= %(at)s::timestamptz;

-- name: later_results
-- Results of a device from a time on: a count of them, and the packed days that the time cuts.
SELECT coalesce(sum(x.n), 0)::bigint, array_agg(x.columns) FILTER (WHERE x.columns IS NOT NULL) FROM (
    SELECT 1 AS n, NULL::bytea AS columns FROM observation o JOIN datastream m USING (datastream_id)
    WHERE m.device_id = %(device_id)s::int AND o.phenomenon_time >= %(at)s::timestamptz
    UNION ALL SELECT CASE WHEN p.start_time >= %(at)s::timestamptz THEN p.n ELSE 0 END,
                     CASE WHEN p.start_time < %(at)s::timestamptz THEN p.columns END
    FROM packed_day p JOIN datastream m USING (datastream_id)
    WHERE m.device_id = %(device_id)s::int AND p.end_time > %(at)s::timestamptz) x;
