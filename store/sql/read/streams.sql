-- name: streams
-- Datastreams of some devices with their latest result. If no interval is known: the median spacing of the last 50 results.
SELECT m.datastream_id, m.device_id, m.name, q.code AS property, q.name AS property_name, q.unit, m.unit AS sent_unit, m.role,
       m.result_type, q.averaging_scale, extract(epoch FROM m.expected_interval)::float8 AS expected_interval_s, m.interval_reported,
       coalesce(12 * extract(year FROM m.expected_interval) + extract(month FROM m.expected_interval), 0)::int AS expected_months, m.stamp,
       g.learned_interval_s, m.scale, m.shift,
       coalesce(s.make || ' ' || s.model, '') AS sensor, s.serial AS sensor_serial, s.calibrated_at, s.calibration,
       l.phenomenon_time AS latest_at, l.result AS latest_result, l.received_at AS latest_received_at, x.flag AS latest_flag
FROM datastream m JOIN observed_property q USING (property_id) LEFT JOIN sensor s USING (sensor_id)
LEFT JOIN datastream_latest l USING (datastream_id)
LEFT JOIN LATERAL (SELECT o.flag FROM observation o
                   WHERE o.datastream_id = m.datastream_id AND o.phenomenon_time = l.phenomenon_time LIMIT 1) x ON true
LEFT JOIN LATERAL (
    SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.spacing)::float8) AS learned_interval_s FROM (
        SELECT n.phenomenon_time - lag(n.phenomenon_time) OVER (ORDER BY n.phenomenon_time) AS spacing FROM (
            SELECT o.phenomenon_time FROM observation o WHERE o.datastream_id = m.datastream_id
            ORDER BY o.phenomenon_time DESC LIMIT 50) n) r
    HAVING count(r.spacing) >= 5) g ON m.expected_interval IS NULL
WHERE m.device_id = ANY(%(device_ids)s::int[]) ORDER BY m.device_id, m.name;

-- name: daily_counts
-- Observations of some devices by datastream and local day of their trial, and how many of them failed a check. The day is that of
-- the middle of the interval that a result stands for.
WITH zones AS MATERIALIZED (SELECT trial_id, known_zone(time_zone) AS time_zone FROM trial)
SELECT m.device_id, o.datastream_id,
       ((o.phenomenon_time + CASE m.stamp WHEN 'begin' THEN m.expected_interval / 2 WHEN 'end' THEN -m.expected_interval / 2
                                          ELSE interval '0' END) AT TIME ZONE t.time_zone)::date AS day, count(*)::int AS n,
       (count(*) FILTER (WHERE o.flag = 4))::int AS failed
FROM observation o JOIN datastream m USING (datastream_id) JOIN device d USING (device_id) JOIN zones t USING (trial_id)
WHERE m.device_id = ANY(%(device_ids)s::int[]) AND o.phenomenon_time >= %(start)s::timestamptz
  AND o.phenomenon_time < %(end)s::timestamptz GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: stream_owner
-- Trial and device of a datastream.
SELECT t.code AS trial, d.code AS device FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE m.datastream_id = %(datastream_id)s::int;
