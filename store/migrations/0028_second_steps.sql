-- People can sign in elsewhere (OpenID Connect), and need a second factor where their role asks for one: a code of an authenticator
-- (TOTP, RFC 6238), or once each a recovery code.

ALTER TABLE signed_in
    ADD COLUMN wants_code boolean NOT NULL DEFAULT false, -- the first step is done; it is no session before the code
    ADD COLUMN id_token text; -- of a sign-in elsewhere, which ends its own session by it

CREATE TABLE second_factor (
    person_id    int PRIMARY KEY REFERENCES person ON DELETE CASCADE,
    secret       bytea NOT NULL, -- encrypted with a key that is not in the database
    confirmed_at timestamptz, -- null until a first code proves that the authenticator has the secret
    last_step    bigint NOT NULL DEFAULT 0, -- 30 s since 1970 of the last code that was taken; each is taken once
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- 128 random bits each, so a plain SHA-256 is enough.
CREATE TABLE recovery_code (
    person_id   int NOT NULL REFERENCES second_factor ON DELETE CASCADE,
    code_sha256 bytea NOT NULL CHECK (octet_length(code_sha256) = 32),
    used_at     timestamptz,
    PRIMARY KEY (person_id, code_sha256)
);

-- The way back from a sign-in elsewhere, which works once.
CREATE TABLE used_return (
    state_sha256 bytea PRIMARY KEY CHECK (octet_length(state_sha256) = 32),
    used_at      timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- As before, and without the secrets of second factors and the tokens of sign-ins elsewhere.
CREATE OR REPLACE FUNCTION grant_pages() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    secret record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_pages') THEN
        RETURN;
    END IF;
    IF NOT pg_has_role(current_user, 'insitu_pages', 'SET') THEN
        EXECUTE 'GRANT insitu_pages TO ' || quote_ident(current_user);
    END IF;
    GRANT USAGE ON SCHEMA public TO insitu_pages;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO insitu_pages;
    REVOKE SELECT ON recovery_code, used_return FROM insitu_pages;
    FOR secret IN
        SELECT attrelid::regclass AS of, string_agg(quote_ident(attname), ', ')
                   FILTER (WHERE attname NOT IN ('password_hash', 'nats_hash', 'mosquitto_hash', 'secret', 'id_token')) AS columns
        FROM pg_attribute
        WHERE attrelid IN ('person'::regclass, 'credential'::regclass, 'second_factor'::regclass, 'signed_in'::regclass)
          AND attnum > 0 AND NOT attisdropped
        GROUP BY 1
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM insitu_pages', secret.of);
        EXECUTE format('GRANT SELECT (%s) ON %s TO insitu_pages', secret.columns, secret.of);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN NULL; -- `insitu check` says that the net is not there
END $$;
