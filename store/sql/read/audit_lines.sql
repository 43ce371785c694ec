-- name: audit_lines
-- Lines of the audit log, newest first, below an id; about one subject if one is given.
SELECT audit_id, at, login, action, subject, detail, previous_sha256, sha256 FROM audit
WHERE (%(below)s::bigint IS NULL OR audit_id < %(below)s::bigint) AND (%(subject)s::text IS NULL OR subject = %(subject)s::text)
ORDER BY audit_id DESC LIMIT %(most)s::int;
