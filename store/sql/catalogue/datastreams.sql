-- name: add_datastream
-- A datastream: the results that a device sends under one name.
INSERT INTO datastream (device_id, sensor_id, property_id, name, unit, scale, shift, role, result_type, expected_interval, stamp)
SELECT %(device_id)s::int, %(sensor_id)s::int, property_id, %(name)s::text, %(unit)s::text, %(scale)s::float8, %(shift)s::float8,
       %(role)s::text, %(result_type)s::text, make_interval(months => %(months)s::int, secs => %(seconds)s::float8), %(stamp)s::text
FROM observed_property WHERE code = %(property)s::text RETURNING datastream_id;

-- name: datastreams_of_trial
-- Datastreams of a trial with property, sensor and device.
SELECT m.datastream_id, m.device_id, d.code AS device, m.name, p.code AS property, p.unit, m.unit AS sent_unit, m.role, m.scale,
       m.shift, p.averaging_scale,
       CASE WHEN NOT m.interval_reported THEN extract(epoch FROM m.expected_interval)::float8 END AS expected_interval_s,
       coalesce(12 * extract(year FROM m.expected_interval) + extract(month FROM m.expected_interval), 0)::int AS expected_months, m.stamp,
       coalesce(s.make || ' ' || s.model, '') AS sensor, s.serial AS sensor_serial, s.calibrated_at, d.retired_at
FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
JOIN observed_property p USING (property_id) LEFT JOIN sensor s USING (sensor_id)
WHERE t.code = %(trial)s::text ORDER BY d.code, m.name;
