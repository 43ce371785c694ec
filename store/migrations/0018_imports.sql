-- An import has a number, and each of its results knows it: so an import of the wrong file, zone or column can be withdrawn. A
-- withdrawn result leaves `observation` and stays here for ever: nothing that reads observations has to leave it out, and the right
-- file can be imported for the same times.

CREATE TABLE import (
    import_id     int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id      int REFERENCES trial, -- null: uplinks of a network server, which may be of several trials
    file          text NOT NULL,        -- name of the file, or address of the application that was pulled
    file_sha256   text,                 -- null: pulled
    login         text NOT NULL,
    imported_at   timestamptz NOT NULL,
    understood    jsonb NOT NULL DEFAULT '[]', -- the sentences about zone, units and columns that the import printed
    withdrawn_at  timestamptz,
    withdrawn_by  text,
    withdrawn_for text CHECK (length(withdrawn_for) BETWEEN 1 AND 500), -- the reason
    CHECK (num_nonnulls(withdrawn_at, withdrawn_by, withdrawn_for) IN (0, 3))
);

-- Where the results of an import are: a withdrawal reads these ranges of the primary key, so the results need no index of their own.
CREATE TABLE import_part (
    import_id     int NOT NULL REFERENCES import,
    datastream_id int NOT NULL REFERENCES datastream,
    first_time    timestamptz NOT NULL,
    last_time     timestamptz NOT NULL, -- inclusive
    results       bigint NOT NULL,      -- stored, or put in the place of others by a correction
    PRIMARY KEY (import_id, datastream_id)
);

-- Null: a device sent it, or an import before this migration. It costs no byte: a row of 36 bytes is padded to 40.
ALTER TABLE observation ADD import_id int;

-- The rejects of an import; a replay stores their results under its number. Null as above.
ALTER TABLE reject ADD import_id int;

-- The import that corrected; then import and clock of the result that was replaced, for the way back. All null before this migration.
ALTER TABLE correction ADD import_id int REFERENCES import;
ALTER TABLE correction ADD old_import_id int REFERENCES import;
ALTER TABLE correction ADD old_clock_quality smallint;
-- A file whose correction was withdrawn may correct again.
ALTER TABLE correction DROP CONSTRAINT correction_datastream_id_phenomenon_time_file_sha256_reason_key;
ALTER TABLE correction ADD CONSTRAINT correction_once UNIQUE NULLS NOT DISTINCT
    (datastream_id, phenomenon_time, file_sha256, reason, import_id);

CREATE TABLE withdrawn_observation (
    import_id       int NOT NULL REFERENCES import,
    datastream_id   int NOT NULL REFERENCES datastream,
    phenomenon_time timestamptz NOT NULL,
    result          double precision NOT NULL,
    received_at     timestamptz NOT NULL,
    clock_quality   smallint NOT NULL,
    restored        boolean NOT NULL, -- the result that this one had replaced is in use again
    PRIMARY KEY (import_id, datastream_id, phenomenon_time)
);

CREATE TRIGGER withdrawn_observations_stay BEFORE UPDATE OR DELETE ON withdrawn_observation
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
