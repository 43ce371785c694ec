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
-- the middle of the interval that a result stands for. It reads day by day, from one local midnight to the next: data of one time
-- is close together on disk, and no result costs a calculation. Where clocks go back at midnight, a day begins the first time.
WITH zones AS MATERIALIZED (SELECT trial_id, known_zone(time_zone) AS zone FROM trial),
alike AS MATERIALIZED (
    SELECT t.zone, CASE m.stamp WHEN 'begin' THEN m.expected_interval / 2 WHEN 'end' THEN -m.expected_interval / 2
                                ELSE interval '0' END AS shift, array_agg(m.datastream_id) AS datastream_ids
    FROM datastream m JOIN device d USING (device_id) JOIN zones t USING (trial_id)
    WHERE m.device_id = ANY(%(device_ids)s::int[]) GROUP BY 1, 2),
midnights AS MATERIALIZED (
    SELECT z.zone, g.day, CASE WHEN ((x.midnight - interval '1 hour') AT TIME ZONE z.zone)::date >= g.day::date
                               THEN x.midnight - interval '1 hour' ELSE x.midnight END AS midnight
    FROM (SELECT DISTINCT zone FROM alike) z
    CROSS JOIN generate_series((%(start)s::timestamptz AT TIME ZONE 'UTC')::date - 190, (%(end)s::timestamptz AT TIME ZONE 'UTC')::date + 190,
                               interval '1 day') AS g(day)
    CROSS JOIN LATERAL (SELECT g.day::timestamp AT TIME ZONE z.zone AS midnight) x),
days AS MATERIALIZED (
    SELECT zone, day::date AS day, midnight, lead(midnight) OVER (PARTITION BY zone ORDER BY day) AS next_midnight FROM midnights)
SELECT m.device_id, o.datastream_id, o.day, o.n, o.failed
FROM (SELECT k.datastream_id, d.day, k.n, k.failed
      FROM alike a JOIN days d USING (zone)
      CROSS JOIN LATERAL (SELECT greatest(d.midnight - a.shift, %(start)s::timestamptz) AS since,
                                 least(d.next_midnight - a.shift, %(end)s::timestamptz) AS until) s
      CROSS JOIN LATERAL (SELECT r.datastream_id, count(*)::int AS n, (count(*) FILTER (WHERE r.flag = 4))::int AS failed
                          FROM observation r WHERE r.datastream_id = ANY(a.datastream_ids) AND r.phenomenon_time >= s.since
                            AND r.phenomenon_time < s.until GROUP BY 1) k
      WHERE s.since < s.until) o
JOIN datastream m USING (datastream_id) ORDER BY 1, 2, 3;

-- name: stream_owner
-- Trial and device of a datastream.
SELECT t.code AS trial, d.code AS device FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE m.datastream_id = %(datastream_id)s::int;
