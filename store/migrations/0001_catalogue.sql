-- The catalogue: who takes part in which trial, where, and with which devices. Small tables; ingest reads them as one snapshot.

CREATE TABLE organisation (
    organisation_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code            text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name            text NOT NULL,
    kind            text NOT NULL CHECK (kind IN ('host', 'company', 'evaluator', 'lab')),
    created_at      timestamptz NOT NULL
);

-- A need: something that a host is looking for.
CREATE TABLE need (
    need_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code        text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    host_id     int NOT NULL REFERENCES organisation,
    title       jsonb NOT NULL,
    description jsonb NOT NULL DEFAULT '{}',
    created_at  timestamptz NOT NULL
);

CREATE TABLE site (
    site_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code      text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    host_id   int NOT NULL REFERENCES organisation,
    name      text NOT NULL,
    kind      text NOT NULL DEFAULT '',
    latitude  double precision CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision CHECK (longitude BETWEEN -180 AND 180)
);

CREATE TABLE trial (
    trial_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code         text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    title        jsonb NOT NULL,
    need_id      int REFERENCES need,
    host_id      int NOT NULL REFERENCES organisation,
    company_id   int NOT NULL REFERENCES organisation,
    evaluator_id int REFERENCES organisation,
    state        text NOT NULL DEFAULT 'need'
                 CHECK (state IN ('need', 'shortlisted', 'agreement', 'deployment', 'running', 'evaluated',
                                  'buy', 'iterate', 'stop')),
    time_zone    text NOT NULL DEFAULT 'Europe/Paris',
    ends_at      timestamptz,
    created_at   timestamptz NOT NULL
);

-- Each step of a trial's life: who moved it, when, why.
CREATE TABLE trial_step (
    trial_step_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id      int NOT NULL REFERENCES trial,
    from_state    text NOT NULL,
    to_state      text NOT NULL,
    at            timestamptz NOT NULL,
    by_login      text NOT NULL DEFAULT '',
    note          text NOT NULL DEFAULT ''
);
CREATE INDEX trial_step_by_trial ON trial_step (trial_id, at); -- serves trial_steps

CREATE TABLE observed_property (
    property_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code            text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name            jsonb NOT NULL,
    unit            text NOT NULL, -- UCUM
    averaging_scale text NOT NULL DEFAULT 'arithmetic'
                    CHECK (averaging_scale IN ('arithmetic', 'energetic', 'circular', 'time_weighted', 'sum'))
);

CREATE TABLE device (
    device_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id   int NOT NULL REFERENCES trial,
    code       text NOT NULL CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    name       text NOT NULL DEFAULT '',
    model      text NOT NULL DEFAULT '',
    serial     text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL,
    retired_at timestamptz,
    UNIQUE (trial_id, code)
);

CREATE TABLE sensor (
    sensor_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id     int NOT NULL REFERENCES device,
    make          text NOT NULL,
    model         text NOT NULL,
    serial        text NOT NULL DEFAULT '',
    calibrated_at timestamptz,
    calibration   text NOT NULL DEFAULT '',
    UNIQUE (device_id, make, model, serial)
);

-- A device at a position for a period. Two devices one after the other at a position are a swap: the series continues.
CREATE TABLE deployment (
    deployment_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id     int NOT NULL REFERENCES device,
    site_id       int NOT NULL REFERENCES site,
    position      text NOT NULL,
    period        tstzrange NOT NULL CHECK (NOT isempty(period) AND lower_inc(period) AND NOT upper_inc(period)),
    -- btree_gist is not in every build of PostgreSQL, so a one-element range replaces the equality
    EXCLUDE USING gist (int4range(device_id, device_id, '[]') WITH &&, period WITH &&)
);
CREATE INDEX deployment_by_site ON deployment (site_id); -- serves fleet

CREATE TABLE datastream (
    datastream_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id         int NOT NULL REFERENCES device,
    sensor_id         int REFERENCES sensor,
    property_id       int NOT NULL REFERENCES observed_property,
    name              text NOT NULL CHECK (length(name) BETWEEN 1 AND 128), -- the key in the device's payload
    unit              text NOT NULL,                                       -- what the device sends, UCUM
    scale             double precision NOT NULL DEFAULT 1,                 -- result = sent · scale + shift
    shift             double precision NOT NULL DEFAULT 0,
    role              text NOT NULL CHECK (role IN ('candidate', 'control', 'reference')),
    result_type       text NOT NULL DEFAULT 'number' CHECK (result_type IN ('number', 'boolean')),
    expected_interval interval CHECK (expected_interval > interval '0'),
    UNIQUE (device_id, name)
);
CREATE INDEX datastream_by_property ON datastream (property_id); -- serves datastreams_of_trial

-- Maintenance, access or incident, declared for a trial, a site or a device. It may be declared later; declared_at shows that.
CREATE TABLE declared_window (
    window_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (kind IN ('maintenance', 'access', 'incident')),
    trial_id    int REFERENCES trial,
    site_id     int REFERENCES site,
    device_id   int REFERENCES device,
    period      tstzrange NOT NULL CHECK (NOT isempty(period)),
    reason      text NOT NULL,
    declared_by text NOT NULL,
    declared_at timestamptz NOT NULL,
    CHECK (num_nonnulls(trial_id, site_id, device_id) = 1)
);

-- A number that grows with each change of the catalogue that ingest reads, and a channel that announces the change.
CREATE TABLE catalogue_version (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), version bigint NOT NULL);
INSERT INTO catalogue_version (version) VALUES (1);

CREATE FUNCTION catalogue_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE catalogue_version SET version = version + 1;
    NOTIFY catalogue;
    RETURN NULL;
END $$;

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON trial
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON observed_property
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON device
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON deployment
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON datastream
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
