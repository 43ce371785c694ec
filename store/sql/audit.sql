-- name: audit_last
-- The end of the chain, locked until the next line is written.
SELECT sha256 FROM audit ORDER BY audit_id DESC LIMIT 1 FOR UPDATE;

-- name: audit_add
-- Append a line.
INSERT INTO audit (at, login, action, subject, detail, previous_sha256, sha256)
VALUES (%(at)s::timestamptz, %(login)s::text, %(action)s::text, %(subject)s::text, %(detail)s::jsonb, %(previous)s::text,
        %(sha256)s::text);

-- name: audit_lock
-- One writer at a time, even while the log is still empty.
SELECT pg_advisory_xact_lock(7031868);

-- name: audit
-- The log, oldest first.
SELECT audit_id, at, login, action, subject, detail, previous_sha256, sha256 FROM audit ORDER BY audit_id;

