-- name: version
-- Version of the catalogue for ingest; grows with every change.
SELECT version FROM catalogue_version;

-- name: snapshot_devices
-- Every device with its trial.
SELECT d.device_id, t.code AS trial, d.code AS device, d.retired_at FROM device d JOIN trial t USING (trial_id);

-- name: snapshot_deployments
-- Every deployment.
SELECT device_id, lower(period) AS start, upper(period) AS end FROM deployment ORDER BY device_id, lower(period);

-- name: snapshot_datastreams
-- Every datastream.
SELECT datastream_id, device_id, name, unit, scale, shift, result_type,
       (extract(epoch FROM expected_interval) * 1000000)::int8 AS interval_us,
       expected_interval IS NOT NULL AND NOT interval_reported AS interval_declared FROM datastream;

-- name: snapshot_conversions
-- Factors from the units that messages may name to the units of datastreams.
SELECT unit, sent, scale, shift FROM unit_conversion;

-- name: snapshot_addresses
-- The device of each address at a network server.
SELECT a.address, t.code AS trial, d.code AS device FROM network_address a JOIN device d USING (device_id) JOIN trial t USING (trial_id);

-- name: snapshot_trials
-- Every trial's code.
SELECT code FROM trial;

-- name: snapshot_topics
-- The device of each fixed topic, and how its messages are read.
SELECT f.topic, t.code AS trial, d.code AS device, f.suffix, f.field
FROM fixed_topic f JOIN device d USING (device_id) JOIN trial t USING (trial_id);
-- name: snapshot_rules
-- Mappings that say more than property and unit.
SELECT t.code AS trial, m.devices, m.field, m.rule FROM mapping m JOIN trial t USING (trial_id) WHERE m.rule <> '{}' ORDER BY m.field;
