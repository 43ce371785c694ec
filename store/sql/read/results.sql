-- name: names
-- Names of some datastreams.
SELECT m.datastream_id, t.code AS trial, d.code AS device, m.name AS datastream, q.code AS property, q.unit
FROM datastream m JOIN observed_property q USING (property_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE m.datastream_id = ANY(%(datastream_ids)s::int[]);
