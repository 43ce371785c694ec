-- The audit log can be vouched for: its head and single lines of it become statements, signed by the installation and
-- time-stamped by others (RFC 3161). A copy of a statement or a token outside shows a later change of the log.

-- A login never looks like `local:root` or `job:nightly` of the audit log.
ALTER TABLE person ADD CONSTRAINT person_login_has_no_colon CHECK (position(':' IN login) = 0) NOT VALID;

-- A statement of the installation: the head of the audit log, or one of its lines (a lock, an evaluation, …).
CREATE TABLE statement (
    statement_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    what         text NOT NULL, -- `head`, or the action of the line
    audit_id     bigint NOT NULL, -- the line; of a head the last one
    document     text NOT NULL, -- canonical JSON
    public_key   text NOT NULL, -- Ed25519, hexadecimal
    signature    text NOT NULL,
    UNIQUE (what, audit_id)
);
CREATE TRIGGER statements_stay BEFORE UPDATE OR DELETE ON statement FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- The tokens of time-stamping authorities over statements.
CREATE TABLE timestamp_token (
    statement_id int NOT NULL REFERENCES statement,
    authority    text NOT NULL, -- its address
    token        bytea NOT NULL, -- the whole response, DER
    vouched_at   timestamptz NOT NULL, -- the authority's time
    PRIMARY KEY (statement_id, authority)
);
CREATE TRIGGER tokens_stay BEFORE UPDATE OR DELETE ON timestamp_token FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Requests that failed; tried again at `next_at` (wall clock).
CREATE TABLE timestamp_failure (
    statement_id int NOT NULL REFERENCES statement,
    authority    text NOT NULL,
    failures     int NOT NULL,
    problem      text NOT NULL,
    next_at      timestamptz NOT NULL,
    PRIMARY KEY (statement_id, authority)
);

-- Rows that are older than their lines in the audit log: moves and windows left none before this migration.
INSERT INTO installation (name, content)
SELECT 'audited since', json_build_object('move', coalesce((SELECT max(trial_step_id) FROM trial_step), 0),
                                          'window', coalesce((SELECT max(window_id) FROM declared_window), 0))::text;
