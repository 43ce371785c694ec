-- People are managed here: invitations and resets, sessions that can be seen and ended, tokens with which programs read.

ALTER TABLE person DROP CONSTRAINT person_login_check;
ALTER TABLE person
    ALTER COLUMN password_hash DROP NOT NULL, -- null until the invitation is accepted, or for a person of another sign-in
    ADD CONSTRAINT person_login_check CHECK (length(login) BETWEEN 1 AND 254), -- NFC, case-folded
    ADD COLUMN manages_people boolean NOT NULL DEFAULT false, -- of the own organisation
    ADD COLUMN last_sign_in_at timestamptz, -- wall clock, like everything about sessions and tokens
    ADD COLUMN issuer text, -- with the subject: the person at another sign-in (OpenID Connect)
    ADD COLUMN subject text,
    ADD UNIQUE (issuer, subject),
    ADD CHECK ((issuer IS NULL) = (subject IS NULL));

UPDATE person p SET last_sign_in_at = s.at
FROM (SELECT person_id, max(created_at) AS at FROM signed_in GROUP BY person_id) AS s WHERE s.person_id = p.person_id;

ALTER TABLE signed_in
    ADD COLUMN session_id bigint GENERATED ALWAYS AS IDENTITY UNIQUE, -- names a session on a page, instead of its hash
    ADD COLUMN last_used_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- to the minute
    ADD COLUMN browser text NOT NULL DEFAULT '',
    ADD COLUMN address text NOT NULL DEFAULT '';
CREATE INDEX signed_in_by_person ON signed_in (person_id); -- serves list_sessions, end_sessions

-- A link with which a person sets a password, once. The link itself is not kept.
CREATE TABLE invitation (
    invitation_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256  bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    person_id     int NOT NULL REFERENCES person ON DELETE CASCADE,
    purpose       text NOT NULL CHECK (purpose IN ('invitation', 'reset')),
    created_by    text NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at    timestamptz NOT NULL,
    used_at       timestamptz
);
CREATE INDEX invitation_by_person ON invitation (person_id); -- serves drop_invitations

-- A token reads with the rights of its person; with an organisation it is a machine's, and the person answers for it.
CREATE TABLE access_token (
    access_token_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256    bytea NOT NULL UNIQUE CHECK (octet_length(token_sha256) = 32),
    person_id       int NOT NULL REFERENCES person ON DELETE CASCADE,
    organisation_id int REFERENCES organisation,
    name            text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    scopes          text[] NOT NULL CHECK (scopes <@ ARRAY['read'] AND scopes <> '{}'),
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at      timestamptz NOT NULL CHECK (expires_at <= created_at + interval '401 days'), -- 400, and the time of the statement
    ended_at        timestamptz,
    last_used_at    timestamptz -- to the minute
);
CREATE INDEX access_token_by_person ON access_token (person_id); -- serves list_tokens, end_tokens

-- From where a token was used, so that a new place can be noticed.
CREATE TABLE access_token_address (
    access_token_id int NOT NULL REFERENCES access_token ON DELETE CASCADE,
    address         text NOT NULL, -- IPv6: the network of /64
    first_at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (access_token_id, address)
);

ALTER TABLE sign_in_failure
    ADD COLUMN last_at timestamptz NOT NULL DEFAULT clock_timestamp(); -- of the last of them
