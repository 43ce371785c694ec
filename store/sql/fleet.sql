-- name: fleet
-- Devices that exist for a viewer, with where they stand and their latest facts. The one place that decides which devices exist
-- for whom: lab all, company and evaluator those of their trials, operator those that stand or stood at places of its host (and
-- then the place shown is its own).
SELECT d.device_id, t.trial_id, t.code AS trial, t.title AS trial_title, t.state AS trial_state, t.time_zone, d.code AS device,
       d.name, d.model, d.serial, d.created_at, d.retired_at, o.name AS company, p.site, p.site_name, p.latitude, p.longitude,
       p.position, p.start AS deployed_at, p.finish AS deployed_until, c.first_seen_at, c.last_seen_at, c.state AS said, c.state_at,
       c.battery, c.rssi, c.snr, c.margin, c.firmware, c.uptime, c.clock_offset, w.kind AS window_kind, w.reason AS window_reason,
       w.finish AS window_until
FROM device d JOIN trial t USING (trial_id) JOIN organisation o ON o.organisation_id = t.company_id
LEFT JOIN device_contact c USING (device_id)
LEFT JOIN LATERAL (
    SELECT s.site_id, s.code AS site, s.name AS site_name, s.latitude, s.longitude, x.position, lower(x.period) AS start,
           upper(x.period) AS finish
    FROM deployment x JOIN site s USING (site_id)
    WHERE x.device_id = d.device_id AND (%(role)s::text <> 'operator' OR s.host_id = %(organisation_id)s::int)
    ORDER BY lower(x.period) <= %(now)s::timestamptz DESC, lower(x.period) DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (
    SELECT v.kind, v.reason, upper(v.period) AS finish FROM declared_window v
    WHERE v.period @> %(now)s::timestamptz AND (v.device_id = d.device_id OR v.trial_id = d.trial_id OR v.site_id = p.site_id)
    ORDER BY upper(v.period) DESC NULLS FIRST LIMIT 1) w ON true
WHERE CASE %(role)s::text
      WHEN 'lab' THEN true
      WHEN 'company' THEN t.company_id = %(organisation_id)s::int
      WHEN 'evaluator' THEN t.evaluator_id = %(organisation_id)s::int
      WHEN 'operator' THEN p.site_id IS NOT NULL
      ELSE false END
  AND (%(trial)s::text IS NULL OR t.code = %(trial)s::text) AND (%(device)s::text IS NULL OR d.code = %(device)s::text)
  AND (%(site)s::text IS NULL OR p.site = %(site)s::text)
  AND (%(device_ids)s::int[] IS NULL OR d.device_id = ANY(%(device_ids)s::int[]))
ORDER BY t.code, d.code;

-- name: streams
-- Datastreams of some devices with what came last. Where no interval is known: the median spacing of the last 50 results.
SELECT m.datastream_id, m.device_id, m.name, q.code AS property, q.name AS property_name, q.unit, m.unit AS sent_unit, m.role,
       m.result_type, q.averaging_scale, extract(epoch FROM m.expected_interval)::float8 AS expected_interval_s, m.interval_reported,
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

-- name: contacts
-- Signs of life of every device: what the live stream compares from one look to the next.
SELECT device_id, last_seen_at, state_at FROM device_contact;

-- name: daily_counts
-- Observations of some devices by datastream and local day of their trial; how many of them a check has failed.
SELECT m.device_id, o.datastream_id, (o.phenomenon_time AT TIME ZONE t.time_zone)::date AS day, count(*)::int AS n,
       (count(*) FILTER (WHERE o.flag = 4))::int AS failed
FROM observation o JOIN datastream m USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE m.device_id = ANY(%(device_ids)s::int[]) AND o.phenomenon_time >= %(start)s::timestamptz
  AND o.phenomenon_time < %(end)s::timestamptz GROUP BY 1, 2, 3 ORDER BY 1, 2, 3;

-- name: places
-- Where some devices stood when.
SELECT p.device_id, d.code AS device, s.code AS site, s.name AS site_name, p.position, lower(p.period) AS start,
       upper(p.period) AS end
FROM deployment p JOIN device d USING (device_id) JOIN site s USING (site_id)
WHERE p.device_id = ANY(%(device_ids)s::int[])
  AND (%(role)s::text <> 'operator' OR s.host_id = %(organisation_id)s::int) ORDER BY p.device_id, lower(p.period);

-- name: position_history
-- Who stood at the positions of one device, itself included: two one after the other are a swap.
SELECT p.device_id, d.code AS device, s.code AS site, s.name AS site_name, p.position, lower(p.period) AS start,
       upper(p.period) AS end
FROM deployment p JOIN device d USING (device_id) JOIN site s USING (site_id)
WHERE d.trial_id = (SELECT trial_id FROM device WHERE device_id = %(device_id)s::int)
  AND (p.site_id, p.position) IN (SELECT site_id, position FROM deployment WHERE device_id = %(device_id)s::int)
  AND (%(role)s::text <> 'operator' OR s.host_id = %(organisation_id)s::int)
ORDER BY lower(p.period) DESC, d.code;

-- name: windows
-- Declared windows that concern some devices and touch `[start, end)`.
SELECT DISTINCT d.device_id, v.window_id, v.kind, lower(v.period) AS start, upper(v.period) AS end, v.reason, v.declared_by,
       v.declared_at
FROM device d JOIN declared_window v ON v.device_id = d.device_id OR v.trial_id = d.trial_id
     OR EXISTS (SELECT FROM deployment p JOIN site s USING (site_id)
                WHERE p.device_id = d.device_id AND p.site_id = v.site_id AND p.period && v.period
                  AND (%(role)s::text <> 'operator' OR s.host_id = %(organisation_id)s::int))
WHERE d.device_id = ANY(%(device_ids)s::int[]) AND v.period && tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)')
ORDER BY 1, 4, 2;

-- name: buckets
-- Smallest, largest and mean result per bucket of time; `energy` is the mean of 10^(L/10), for levels in dB.
SELECT datastream_id, date_bin(%(width)s::interval, phenomenon_time, %(start)s::timestamptz) AS at, min(result) AS smallest,
       max(result) AS largest, avg(result) AS mean,
       avg(CASE WHEN result BETWEEN -200 AND 300 THEN power(10::float8, result / 10) END) AS energy, count(*)::int AS n,
       (count(*) FILTER (WHERE flag = 3))::int AS suspect, (count(*) FILTER (WHERE flag = 4))::int AS failed
FROM observation WHERE datastream_id = ANY(%(datastream_ids)s::int[]) AND phenomenon_time >= %(start)s::timestamptz
  AND phenomenon_time < %(end)s::timestamptz GROUP BY 1, 2 ORDER BY 1, 2;

-- name: status_log
-- What a device said of itself, newest first.
SELECT at, state, battery, rssi, snr, firmware, uptime, note FROM device_status WHERE device_id = %(device_id)s::int
ORDER BY at DESC LIMIT %(most)s::int;

-- name: own_observations
-- One page of observations of one datastream, in order; `after` is the time of the last one of the page before.
SELECT phenomenon_time, result, received_at, flag, clock_quality FROM observation
WHERE datastream_id = %(datastream_id)s::int AND phenomenon_time >= %(start)s::timestamptz AND phenomenon_time < %(end)s::timestamptz
  AND (%(after)s::timestamptz IS NULL OR phenomenon_time > %(after)s::timestamptz)
ORDER BY phenomenon_time LIMIT %(most)s::int;

-- name: export
-- Observations of some datastreams with their names, in order, for a table that travels.
SELECT t.code AS trial, d.code AS device, m.name AS datastream, q.code AS property, q.unit, o.phenomenon_time, o.result, o.flag,
       o.received_at
FROM observation o JOIN datastream m USING (datastream_id) JOIN observed_property q USING (property_id)
JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE o.datastream_id = ANY(%(datastream_ids)s::int[]) AND o.phenomenon_time >= %(start)s::timestamptz
  AND o.phenomenon_time < %(end)s::timestamptz ORDER BY o.datastream_id, o.phenomenon_time;

-- name: stream_owner
-- Which trial and device a datastream belongs to.
SELECT t.code AS trial, d.code AS device FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE m.datastream_id = %(datastream_id)s::int;

-- name: reject_reasons
-- Rejects by reason, with those that were only counted. `devices` null: of every device of the trials; else pairs `trial/device`.
WITH every AS (
    SELECT trial, device, reason, 1 AS messages, results, received_at AS last_at, replayed_at IS NOT NULL AS replayed, 0 AS dropped
    FROM reject
    UNION ALL SELECT trial, device, reason, messages, results, last_at, false, messages FROM reject_overflow)
SELECT reason, sum(messages)::int AS messages, sum(results)::int AS results, max(last_at) AS last_at,
       (count(*) FILTER (WHERE replayed))::int AS replayed,
       coalesce(sum(messages) FILTER (WHERE last_at >= %(since)s::timestamptz), 0)::int AS recent, sum(dropped)::int AS dropped
FROM every WHERE (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text)
GROUP BY 1 ORDER BY 2 DESC, 1;

-- name: reject
-- One reject with all of its bytes.
SELECT reject_id, reason, detail, topic, payload, size, received_at, trial, device, results, replayed_at FROM reject
WHERE reject_id = %(reject_id)s::bigint AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]));

-- name: rejects
-- Rejects, newest first, from an id downwards, with the first bytes of each.
SELECT reject_id, reason, detail, topic, substr(payload, 1, %(excerpt)s::int) AS payload, size, received_at, trial, device, results,
       replayed_at
FROM reject WHERE (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text) AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
  AND (%(below)s::bigint IS NULL OR reject_id < %(below)s::bigint)
ORDER BY reject_id DESC LIMIT %(most)s::int;

-- name: ledger
-- The ledger by device: live traffic (`replay` false) apart from replays of rejects.
SELECT trial, device, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, sum(partly)::bigint AS partly,
       sum(rejected)::bigint AS rejected, sum(repeated)::bigint AS repeated, sum(contained)::bigint AS contained,
       sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate, sum(conflicting)::bigint AS conflicting,
       sum(refused)::bigint AS refused, sum(ignored)::bigint AS ignored
FROM ledger WHERE (reject_id <> 0) = %(replay)s::boolean AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text)
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: ledger_hours
-- The same by device and hour of first receipt, newest first, devices of an hour by name.
SELECT trial, device, hour, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, sum(partly)::bigint AS partly,
       sum(rejected)::bigint AS rejected, sum(repeated)::bigint AS repeated, sum(contained)::bigint AS contained,
       sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate, sum(conflicting)::bigint AS conflicting,
       sum(refused)::bigint AS refused, sum(ignored)::bigint AS ignored
FROM ledger WHERE (reject_id <> 0) = %(replay)s::boolean AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text)
  AND (%(start)s::timestamptz IS NULL OR hour >= %(start)s::timestamptz)
  AND (%(end)s::timestamptz IS NULL OR hour < %(end)s::timestamptz)
GROUP BY 1, 2, 3 ORDER BY hour DESC, trial, device OFFSET %(skip)s::int LIMIT %(most)s::int;

-- name: refused_by_reason
-- Results refused, conflicting ones among them, by trial and reason.
SELECT trial, reason, sum(messages)::bigint AS messages, sum(results)::bigint AS results FROM ledger_reason
WHERE outcome = 'refused' AND reject_id = 0 GROUP BY 1, 2 ORDER BY 1, 2;

-- name: trial_facts
-- Per trial: devices, latest locked protocol, latest evaluation.
SELECT t.trial_id, t.code AS trial, (SELECT count(*)::int FROM device d WHERE d.trial_id = t.trial_id) AS devices,
       p.version, p.sha256, p.locked_at, e.evaluation_id, e.verdict, e.evaluated_at, e.interim, e.blinded,
       EXISTS (SELECT FROM protocol x WHERE x.trial_id = t.trial_id AND x.locked_at IS NULL) AS draft
FROM trial t
LEFT JOIN LATERAL (SELECT x.version, x.sha256, x.locked_at FROM protocol x
                   WHERE x.trial_id = t.trial_id AND x.locked_at IS NOT NULL ORDER BY x.version DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT x.evaluation_id, CASE WHEN NOT x.blinded THEN x.verdict END AS verdict, x.evaluated_at, x.interim, x.blinded FROM evaluation x
                   WHERE x.trial_id = t.trial_id ORDER BY x.evaluation_id DESC LIMIT 1) e ON true
WHERE t.code = ANY(%(trials)s::text[]) ORDER BY t.code;

-- name: evaluation_heads
-- Evaluations of a trial without their documents, newest first, from an id downwards.
SELECT e.evaluation_id, t.code AS trial, e.evaluated_at, e.evaluated_by, CASE WHEN NOT e.blinded THEN e.verdict END AS verdict, e.interim,
       e.blinded, e.inputs_sha256, e.sha256, p.version
FROM evaluation e JOIN trial t USING (trial_id) JOIN protocol p USING (protocol_id)
WHERE t.code = %(trial)s::text AND (%(below)s::int IS NULL OR e.evaluation_id < %(below)s::int)
ORDER BY e.evaluation_id DESC LIMIT %(most)s::int;

-- name: boots
-- When a device started anew, as far as its messages say.
SELECT first_seen_at FROM boot_sequence WHERE device_id = %(device_id)s::int AND first_seen_at >= %(start)s::timestamptz
ORDER BY 1;
