-- name: add_sensor
-- A sensor inside a device.
INSERT INTO sensor (device_id, make, model, serial, calibrated_at, calibration, since, replaces)
VALUES (%(device_id)s::int, %(make)s::text, %(model)s::text, %(serial)s::text, %(calibrated_at)s::timestamptz,
        %(calibration)s::text, %(since)s::timestamptz, %(replaces)s::int) RETURNING sensor_id;

-- name: sensors_of_trial
-- Sensors of a trial, or of one device, in order of time; each ends where the one begins that replaces it.
SELECT s.sensor_id, s.device_id, d.code AS device, s.make, s.model, s.serial, s.calibrated_at, s.calibration, s.since AS start,
       n.since AS end
FROM sensor s JOIN device d USING (device_id) JOIN trial t USING (trial_id) LEFT JOIN sensor n ON n.replaces = s.sensor_id
WHERE (t.code = %(trial)s::text OR s.device_id = %(device_id)s::int) ORDER BY d.code, s.since NULLS FIRST, s.sensor_id;

-- name: hand_over
-- The datastreams of a sensor, or (null) those of the device without one, are now another sensor's.
UPDATE datastream SET sensor_id = %(to)s::int
WHERE device_id = %(device_id)s::int AND sensor_id IS NOT DISTINCT FROM %(from)s::int;

-- name: correct_sensor
-- Correct what was entered wrongly about a sensor.
UPDATE sensor SET make = %(make)s::text, model = %(model)s::text, serial = %(serial)s::text,
    calibrated_at = %(calibrated_at)s::timestamptz, calibration = %(calibration)s::text WHERE sensor_id = %(sensor_id)s::int;

-- name: correct_since
-- Correct since when a sensor is in its device.
UPDATE sensor SET since = %(since)s::timestamptz WHERE sensor_id = %(sensor_id)s::int;
