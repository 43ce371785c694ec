-- Who may sign in, which devices may publish, and a tamper-evident audit log.

CREATE TABLE person (
    person_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    login           text NOT NULL UNIQUE CHECK (length(login) BETWEEN 1 AND 128),
    name            text NOT NULL,
    organisation_id int NOT NULL REFERENCES organisation,
    password_hash   text NOT NULL, -- argon2id
    language        text NOT NULL DEFAULT 'fr' CHECK (language IN ('en', 'fr')),
    created_at      timestamptz NOT NULL,
    disabled_at     timestamptz
);

CREATE TABLE signed_in (
    token_sha256 bytea PRIMARY KEY,
    person_id    int NOT NULL REFERENCES person ON DELETE CASCADE,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(), -- wall clock: a session belongs to a browser
    expires_at   timestamptz NOT NULL
);

-- One active credential for each device; an older one may overlap during a rotation.
CREATE TABLE credential (
    credential_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id     int REFERENCES device, -- null for a probe of the access rules
    username      text NOT NULL UNIQUE,
    token_sha256  bytea NOT NULL UNIQUE,
    nats_hash      text NOT NULL, -- bcrypt, cost 4: enough for a random 256-bit token
    mosquitto_hash text NOT NULL, -- PBKDF2-SHA512 of the same token
    created_at    timestamptz NOT NULL,
    expires_at    timestamptz,
    revoked_at    timestamptz,
    CHECK (device_id IS NOT NULL OR username LIKE 'check.%')
);
CREATE INDEX credential_by_device ON credential (device_id); -- serves credentials_of_device

-- The process that owns the broker records which state of the credentials the broker uses.
CREATE TABLE broker_state (
    only_row   boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    wanted     bigint NOT NULL DEFAULT 1, -- grows with every change of a credential
    applied    bigint NOT NULL DEFAULT 0, -- the state that the broker uses
    problem    text,                      -- why the last attempt failed
    applied_at timestamptz
);
INSERT INTO broker_state DEFAULT VALUES;

CREATE FUNCTION credentials_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE broker_state SET wanted = wanted + 1;
    NOTIFY credentials;
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON credential
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();

-- Append-only; each line carries the hash of the one before.
CREATE TABLE audit (
    audit_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL,
    login           text NOT NULL,
    action          text NOT NULL,
    subject         text NOT NULL,
    detail          jsonb NOT NULL DEFAULT '{}',
    previous_sha256 text NOT NULL,
    sha256          text NOT NULL
);
CREATE TRIGGER audit_stays BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Facts of this installation: its trial clock, the addresses of its parts.
CREATE TABLE installation (name text PRIMARY KEY, content text NOT NULL);
