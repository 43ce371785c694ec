-- A sensor that is changed or calibrated again in its housing is a change with a date: the table keeps each with its interval.

-- From when it is in the device; null: from the device's beginning. It ends where the one begins that replaces it.
ALTER TABLE sensor ADD since timestamptz;
-- The sensor in whose place it came; null: the first.
ALTER TABLE sensor ADD replaces int UNIQUE REFERENCES sensor;
ALTER TABLE sensor ADD CHECK ((since IS NULL) = (replaces IS NULL));

-- The same sensor comes back calibrated.
ALTER TABLE sensor DROP CONSTRAINT sensor_device_id_make_model_serial_key;
ALTER TABLE sensor ADD CONSTRAINT sensor_once UNIQUE NULLS NOT DISTINCT (device_id, make, model, serial, since);
