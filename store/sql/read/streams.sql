-- name: streams
-- Datastreams of some devices with their latest result. If no interval is known: the median spacing of the last 50 results, which
-- are not read for the others (the condition is inside).
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
            SELECT o.phenomenon_time FROM observation o WHERE o.datastream_id = m.datastream_id AND m.expected_interval IS NULL
            ORDER BY o.phenomenon_time DESC LIMIT 50) n) r
    HAVING count(r.spacing) >= 5) g ON true
WHERE m.device_id = ANY(%(device_ids)s::int[]) ORDER BY m.device_id, m.name;

-- name: daily_counts
-- Observations of some devices by datastream and local day of their trial, and how many of them failed a check. First one row for each
-- time zone and shift of a time to the middle of its interval: the datastreams that have them. Then one row for all packed days:
-- their datastreams, spans and counts. Then one for all that is not packed, already by day: that of the middle of the interval,
-- without a day that began before `start`. As arrays, because a row costs more than a value, and an array for each datastream more
-- than one for all. Where clocks go back at midnight, a day begins the first time.
WITH trials AS MATERIALIZED (
         SELECT t.trial_id, known_zone(t.time_zone) AS time_zone FROM trial t
         WHERE t.trial_id IN (SELECT d.trial_id FROM device d WHERE d.device_id = ANY(%(device_ids)s::int[]))),
     midnights AS MATERIALIZED (
         SELECT z.time_zone, (%(start)s::timestamptz AT TIME ZONE z.time_zone)::date - 191 AS first_day,
                ARRAY(SELECT CASE WHEN ((x.midnight - interval '1 hour') AT TIME ZONE z.time_zone)::date >= g.day::date
                                  THEN x.midnight - interval '1 hour' ELSE x.midnight END
                      FROM generate_series((%(start)s::timestamptz AT TIME ZONE z.time_zone)::date - 190,
                                           (%(end)s::timestamptz AT TIME ZONE z.time_zone)::date + 190, interval '1 day') g(day)
                      CROSS JOIN LATERAL (SELECT g.day::timestamp AT TIME ZONE z.time_zone AS midnight) x ORDER BY 1) AS midnights
         FROM (SELECT DISTINCT time_zone FROM trials) z),
     zones AS MATERIALIZED (
         SELECT m.*, 1 + width_bucket(%(start)s::timestamptz - interval '1 microsecond', m.midnights) AS first_bucket FROM midnights m),
     streams AS MATERIALIZED (
         SELECT m.device_id, m.datastream_id, t.time_zone,
                CASE m.stamp WHEN 'begin' THEN m.expected_interval / 2 WHEN 'end' THEN -m.expected_interval / 2
                             ELSE interval '0' END AS shift
         FROM datastream m JOIN device d USING (device_id) JOIN trials t USING (trial_id) WHERE m.device_id = ANY(%(device_ids)s::int[])),
     inside AS (
         SELECT p.datastream_id, p.start_time, p.end_time, p.n, p.failed FROM packed_day p
         WHERE p.datastream_id = ANY(ARRAY(SELECT datastream_id FROM streams))
           AND p.start_time >= %(start)s::timestamptz AND p.start_time < %(end)s::timestamptz
         UNION ALL
         SELECT q.datastream_id, q.start_time, q.end_time, q.n, q.failed FROM streams s CROSS JOIN LATERAL (
             SELECT p.datastream_id, p.start_time, p.end_time, p.n, p.failed FROM packed_day p
             WHERE p.datastream_id = s.datastream_id AND p.start_time < %(start)s::timestamptz
               AND p.start_time > %(start)s::timestamptz - interval '33 days' ORDER BY p.start_time DESC LIMIT 1) q
         WHERE q.end_time > %(start)s::timestamptz),
     others AS (
         SELECT s.device_id, o.datastream_id, z.first_day, z.first_bucket, width_bucket(o.phenomenon_time + s.shift, z.midnights) AS bucket,
                count(*)::int AS n, (count(*) FILTER (WHERE o.flag = 4))::int AS failed
         FROM streams s JOIN zones z USING (time_zone) JOIN observation o USING (datastream_id)
         WHERE o.phenomenon_time >= %(start)s::timestamptz AND o.phenomenon_time < %(end)s::timestamptz GROUP BY 1, 2, 3, 4, 5)
SELECT s.time_zone, extract(epoch FROM s.shift)::float8 AS shift_s, array_agg(s.device_id) AS devices,
       array_agg(s.datastream_id) AS streams, NULL::timestamptz[] AS starts, NULL::timestamptz[] AS ends, NULL::int[] AS days,
       NULL::int[] AS n, NULL::int[] AS failed
FROM streams s GROUP BY s.time_zone, s.shift
UNION ALL
SELECT NULL, NULL, NULL, array_agg(p.datastream_id), array_agg(p.start_time), array_agg(p.end_time), NULL, array_agg(p.n),
       array_agg(p.failed)
FROM inside p HAVING count(*) > 0
UNION ALL
SELECT NULL, NULL, array_agg(o.device_id), array_agg(o.datastream_id), NULL, NULL,
       array_agg(o.first_day + o.bucket - date '0001-01-01'), array_agg(o.n), array_agg(o.failed)
FROM others o WHERE o.bucket >= o.first_bucket HAVING count(*) > 0;

-- name: stream_owner
-- Trial and device of a datastream.
SELECT t.code AS trial, d.code AS device FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE m.datastream_id = %(datastream_id)s::int;
