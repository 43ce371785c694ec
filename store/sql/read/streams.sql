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
-- the middle of the interval that a result stands for. A packed day within one such day counts by its summary. All counts come as
-- one row of arrays, because a row costs more than a value; the other packed days come whole, with what shifts a time to the middle.
-- Where clocks go back at midnight, a day begins the first time.
WITH zones AS MATERIALIZED (
         SELECT z.trial_id, z.time_zone, (%(start)s::timestamptz AT TIME ZONE z.time_zone)::date - 191 AS first_day,
                ARRAY(SELECT CASE WHEN ((x.midnight - interval '1 hour') AT TIME ZONE z.time_zone)::date >= g.day::date
                                  THEN x.midnight - interval '1 hour' ELSE x.midnight END
                      FROM generate_series((%(start)s::timestamptz AT TIME ZONE z.time_zone)::date - 190,
                                           (%(end)s::timestamptz AT TIME ZONE z.time_zone)::date + 190, interval '1 day') g(day)
                      CROSS JOIN LATERAL (SELECT g.day::timestamp AT TIME ZONE z.time_zone AS midnight) x ORDER BY 1) AS midnights
         FROM (SELECT trial_id, known_zone(time_zone) AS time_zone FROM trial) z),
     streams AS MATERIALIZED (
         SELECT m.device_id, m.datastream_id, t.first_day, t.midnights, t.time_zone,
                CASE m.stamp WHEN 'begin' THEN m.expected_interval / 2 WHEN 'end' THEN -m.expected_interval / 2
                             ELSE interval '0' END AS shift
         FROM datastream m JOIN device d USING (device_id) JOIN zones t USING (trial_id) WHERE m.device_id = ANY(%(device_ids)s::int[])),
     whole AS (
         SELECT m.device_id, p.datastream_id, m.first_day, m.time_zone, p.n, p.failed, p.start_time, m.shift,
                width_bucket(p.start_time + m.shift, m.midnights) AS bucket,
                width_bucket(p.end_time + m.shift - interval '1 microsecond', m.midnights) AS last_bucket,
                p.start_time >= %(start)s::timestamptz AND p.end_time <= %(end)s::timestamptz AS is_inside
         FROM streams m JOIN packed_day p USING (datastream_id)
         WHERE p.start_time > %(start)s::timestamptz - interval '33 days' AND p.start_time < %(end)s::timestamptz
           AND p.end_time > %(start)s::timestamptz)
SELECT array_agg(c.device_id) AS devices, array_agg(c.datastream_id) AS streams, array_agg(c.day - date '0001-01-01') AS days,
       array_agg(c.n) AS n, array_agg(c.failed) AS failed, NULL::int AS device_id, NULL::int AS datastream_id, NULL::bytea AS columns,
       NULL::text AS time_zone, NULL::float8 AS shift_s
FROM (
SELECT x.device_id, x.datastream_id, x.first_day + x.bucket AS day, sum(x.n)::int AS n, sum(x.failed)::int AS failed
FROM (SELECT device_id, datastream_id, first_day, bucket, n, failed FROM whole WHERE bucket = last_bucket AND is_inside
      UNION ALL
      SELECT m.device_id, o.datastream_id, m.first_day, width_bucket(o.phenomenon_time + m.shift, m.midnights), count(*),
             count(*) FILTER (WHERE o.flag = 4)
      FROM streams m JOIN observation o USING (datastream_id) WHERE o.phenomenon_time >= %(start)s::timestamptz
        AND o.phenomenon_time < %(end)s::timestamptz GROUP BY 1, 2, 3, 4) x
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3) c
UNION ALL
SELECT NULL, NULL, NULL, NULL, NULL, w.device_id, w.datastream_id, p.columns, w.time_zone, extract(epoch FROM w.shift)::float8
FROM whole w JOIN packed_day p USING (datastream_id, start_time) WHERE w.bucket <> w.last_bucket OR NOT w.is_inside;

-- name: stream_owner
-- Trial and device of a datastream.
SELECT t.code AS trial, d.code AS device FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE m.datastream_id = %(datastream_id)s::int;
