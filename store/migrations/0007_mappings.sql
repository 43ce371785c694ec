-- Which field of a trial's devices is which datastream, in which unit: entered once for the trial, and kept for devices yet to come.

CREATE TABLE mapping (
    mapping_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id          int NOT NULL REFERENCES trial,
    devices           text[] NOT NULL CHECK (cardinality(devices) > 0),             -- codes, or patterns with * and ?
    field             text NOT NULL CHECK (length(field) BETWEEN 1 AND 128),        -- what the payload calls it, or source.field
    property_id       int NOT NULL REFERENCES observed_property,
    unit              text NOT NULL,                                                -- what the devices send, UCUM
    role              text NOT NULL CHECK (role IN ('candidate', 'control', 'reference')),
    result_type       text NOT NULL CHECK (result_type IN ('number', 'boolean')),
    expected_interval interval CHECK (expected_interval > interval '0'),
    UNIQUE (trial_id, field, devices)                                               -- serves mappings_of_trial
);

-- Units in which a device may say its results although its datastream is declared in another: unit = sent · scale + shift.
-- Worked out when something is registered, so that ingest needs no library of units.
CREATE TABLE unit_conversion (
    unit  text NOT NULL,
    sent  text NOT NULL,
    scale double precision NOT NULL,
    shift double precision NOT NULL,
    PRIMARY KEY (unit, sent)
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON unit_conversion
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();

-- A message that was kept back looks like a slow clock, and none like a fast one: so the clock's offset is the largest (device
-- time − receipt) of two spans in which the device spoke. A span begins with a message and takes six hours; silence is in none, so
-- that after days of it there are six hours to send what was kept back.
ALTER TABLE device_contact ADD clock_since timestamptz, -- begin of the current span
    ADD clock_largest double precision,                 -- s, in it
    ADD clock_before double precision;                  -- s, in the one before
UPDATE device_contact SET clock_since = last_seen_at, clock_largest = clock_offset WHERE clock_offset IS NOT NULL;
