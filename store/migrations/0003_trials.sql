-- Protocols and evaluations of a trial, runs and flags of the quality checks.

-- `document` is canonical JSON (RFC 8785) as text, so that its bytes and its hash are the same everywhere.
CREATE TABLE protocol (
    protocol_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id    int NOT NULL REFERENCES trial,
    version     int NOT NULL CHECK (version > 0),
    document    text NOT NULL,
    sha256      text NOT NULL,
    created_at  timestamptz NOT NULL,
    reason      text NOT NULL DEFAULT '', -- of the amendment, from version 2
    locked_at   timestamptz,
    locked_by   text,
    UNIQUE (trial_id, version)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER locked_protocols_stay BEFORE UPDATE OR DELETE ON protocol
    FOR EACH ROW WHEN (OLD.locked_at IS NOT NULL) EXECUTE FUNCTION refuse_change();

CREATE TABLE evaluation (
    evaluation_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id      int NOT NULL REFERENCES trial,
    protocol_id   int NOT NULL REFERENCES protocol,
    evaluated_at  timestamptz NOT NULL,
    evaluated_by  text NOT NULL,
    verdict       text NOT NULL CHECK (verdict IN ('met', 'not_met', 'inconclusive', 'not_evaluable')),
    interim       boolean NOT NULL DEFAULT false,
    inputs_sha256 text NOT NULL,
    sha256        text NOT NULL,
    document      text NOT NULL -- canonical JSON, numbers with 9 significant digits
);
CREATE INDEX evaluation_by_trial ON evaluation (trial_id, evaluation_id DESC); -- serves latest_evaluation

CREATE TRIGGER evaluations_stay BEFORE UPDATE OR DELETE ON evaluation
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The last run of the checks over a datastream.
CREATE TABLE quality_run (
    datastream_id int PRIMARY KEY REFERENCES datastream,
    checked_at    timestamptz NOT NULL,
    checks        text[] NOT NULL,          -- planned
    ran           text[] NOT NULL, -- those that could run; coverage = ran / checks
    parameters    text NOT NULL,            -- canonical JSON
    sha256        text NOT NULL
);

-- Per-check flags that are not PASS.
CREATE TABLE quality_flag (
    datastream_id   int NOT NULL,
    phenomenon_time timestamptz NOT NULL,
    check_name      text NOT NULL,
    flag            smallint NOT NULL,
    sha256          text NOT NULL, -- of the parameters
    PRIMARY KEY (datastream_id, phenomenon_time, check_name)
);
