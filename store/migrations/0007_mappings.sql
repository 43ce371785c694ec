-- Which field of a trial's devices is which datastream, in which unit: entered once for the trial, and kept for later devices.

CREATE TABLE mapping (
    mapping_id        int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id          int NOT NULL REFERENCES trial,
    devices           text[] NOT NULL CHECK (cardinality(devices) > 0),             -- codes, or patterns with * and ?
    field             text NOT NULL CHECK (length(field) BETWEEN 1 AND 128), -- key in the payload, or source.field
    property_id       int NOT NULL REFERENCES observed_property,
    unit              text NOT NULL, -- unit as sent, UCUM
    role              text NOT NULL CHECK (role IN ('candidate', 'control', 'reference')),
    result_type       text NOT NULL CHECK (result_type IN ('number', 'boolean')),
    expected_interval interval CHECK (expected_interval > interval '0'),
    UNIQUE (trial_id, field, devices)                                               -- serves mappings_of_trial
);

-- Other units that a device may send: unit = sent · scale + shift. Calculated at registration, so that ingest needs no unit
-- library.
CREATE TABLE unit_conversion (
    unit  text NOT NULL,
    sent  text NOT NULL,
    scale double precision NOT NULL,
    shift double precision NOT NULL,
    PRIMARY KEY (unit, sent)
);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON unit_conversion
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();

-- A delayed message looks like a slow clock, but never like a fast one. So the clock's offset is the largest (device time −
-- receipt) over two spans in which the device spoke. A span begins with a message and lasts six hours; silence belongs to no
-- span, so after days of silence a device has six hours to send its delayed messages.
ALTER TABLE device_contact ADD clock_since timestamptz, -- start of the current span
    ADD clock_largest double precision, -- s, in the current span
    ADD clock_before double precision; -- s, in the span before
UPDATE device_contact SET clock_since = last_seen_at, clock_largest = clock_offset WHERE clock_offset IS NOT NULL;
