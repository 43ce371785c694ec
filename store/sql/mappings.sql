-- name: mappings_of_trial
-- The mappings of a trial, with the properties of their fields.
SELECT m.devices, m.field, coalesce(p.code, '') AS property, coalesce(p.unit, '') AS property_unit, m.unit, m.role, m.result_type,
       extract(epoch FROM m.expected_interval)::float8 AS every_s,
       coalesce(12 * extract(year FROM m.expected_interval) + extract(month FROM m.expected_interval), 0)::int AS every_months, m.stamp,
       m.rule AS rule_document
FROM mapping m JOIN trial t USING (trial_id) LEFT JOIN observed_property p USING (property_id)
WHERE t.code = %(trial)s::text ORDER BY m.field, m.devices;

-- name: hold_mappings
-- Wait for another writer of the trial's mappings: otherwise both lists would be mixed.
SELECT trial_id FROM trial WHERE code = %(trial)s::text FOR NO KEY UPDATE;

-- name: drop_mappings
-- Remove the old list before the new one is entered.
DELETE FROM mapping WHERE trial_id = (SELECT trial_id FROM trial WHERE code = %(trial)s::text);

-- name: add_mapping
-- A field of some devices of a trial.
INSERT INTO mapping (trial_id, devices, field, property_id, unit, role, result_type, expected_interval, stamp, rule)
SELECT t.trial_id, %(devices)s::text[], %(field)s::text, p.property_id, %(unit)s::text, %(role)s::text, %(result_type)s::text,
       make_interval(months => %(months)s::int, secs => %(seconds)s::float8), %(stamp)s::text,
       %(rule)s::jsonb
FROM trial t LEFT JOIN observed_property p ON p.code = %(property)s::text WHERE t.code = %(trial)s::text;

-- name: mapped_devices
-- Devices of a trial that are not retired.
SELECT d.device_id, d.code AS device FROM device d JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text AND d.retired_at IS NULL ORDER BY d.code;

-- name: datastreams_of_device
-- Datastreams of a device, and whether they have observations.
SELECT m.datastream_id, m.name AS field, p.code AS property, m.unit, m.role, m.result_type, m.scale, m.shift,
       extract(epoch FROM m.expected_interval)::float8 AS every_s,
       coalesce(12 * extract(year FROM m.expected_interval) + extract(month FROM m.expected_interval), 0)::int AS every_months,
       m.interval_reported, m.stamp,
       EXISTS (SELECT FROM observation o WHERE o.datastream_id = m.datastream_id) AS in_use
FROM datastream m JOIN observed_property p USING (property_id) WHERE m.device_id = %(device_id)s::int ORDER BY m.name;

-- name: only_sensor
-- The sensor of a device that has exactly one now.
SELECT min(s.sensor_id) FROM sensor s WHERE s.device_id = %(device_id)s::int
  AND NOT EXISTS (SELECT FROM sensor n WHERE n.replaces = s.sensor_id) HAVING count(*) = 1;

-- name: change_datastream
-- Change a datastream, only while it has no observations.
UPDATE datastream SET name = %(field)s::text, unit = %(unit)s::text, scale = %(scale)s::float8, shift = %(shift)s::float8,
    role = %(role)s::text, result_type = %(result_type)s::text,
    property_id = (SELECT property_id FROM observed_property WHERE code = %(property)s::text)
WHERE datastream_id = %(datastream_id)s::int
  AND NOT EXISTS (SELECT FROM observation o WHERE o.datastream_id = %(datastream_id)s::int);

-- name: declare_interval
-- Declare the expected interval and what a stamp marks, which change no result. Undeclared (null): the interval that the device
-- reports next applies.
UPDATE datastream SET expected_interval = make_interval(months => %(months)s::int, secs => %(seconds)s::float8),
    interval_reported = false, stamp = %(stamp)s::text
WHERE datastream_id = %(datastream_id)s::int;

-- name: report_intervals
-- Store the intervals that devices report, unless one was declared. No line tells of it, so it is noted as an act.
WITH reported AS (
    UPDATE datastream m SET expected_interval = k.every, interval_reported = true
    FROM unnest(%(datastream_ids)s::int[], %(intervals)s::interval[]) AS k(datastream_id, every)
    WHERE m.datastream_id = k.datastream_id AND (m.expected_interval IS NULL OR m.interval_reported)
      AND m.expected_interval IS DISTINCT FROM k.every RETURNING m.datastream_id
)
INSERT INTO fact_change (kind, key, sha256, how) SELECT 'datastream', min(datastream_id), '', 'act' FROM reported HAVING count(*) > 0;

-- name: add_conversions
-- Factors from the usual units to one unit.
INSERT INTO unit_conversion (unit, sent, scale, shift)
SELECT %(unit)s::text, sent, scale, shift
FROM unnest(%(sent)s::text[], %(scales)s::float8[], %(shifts)s::float8[]) AS k(sent, scale, shift)
ON CONFLICT (unit, sent) DO UPDATE SET scale = excluded.scale, shift = excluded.shift;

-- name: has_conversions
-- True if the factors to this unit are stored.
SELECT EXISTS (SELECT FROM unit_conversion WHERE unit = %(unit)s::text);
