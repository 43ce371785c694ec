-- name: audit_end
-- The last line of the audit log, and how many there are.
SELECT audit_id, sha256, (SELECT count(*) FROM audit) AS lines FROM audit ORDER BY audit_id DESC LIMIT 1;

-- name: unstated
-- Lines of these actions that are no statement yet, oldest first.
SELECT a.audit_id, a.at, a.login, a.action, a.subject, a.detail, a.previous_sha256, a.sha256
FROM audit a WHERE a.action = ANY(%(actions)s::text[])
  AND NOT EXISTS (SELECT FROM statement s WHERE s.audit_id = a.audit_id AND s.what = a.action)
ORDER BY a.audit_id LIMIT %(most)s::int;

-- name: add_statement
-- A signed statement; one that is there stays.
INSERT INTO statement (what, audit_id, document, public_key, signature)
VALUES (%(what)s::text, %(audit_id)s::bigint, %(document)s::text, %(public_key)s::text, %(signature)s::text)
ON CONFLICT (what, audit_id) DO NOTHING;

-- name: statements
-- Statements, oldest first, with the times that others vouch for.
SELECT s.statement_id, s.what, s.audit_id, s.document, s.public_key, s.signature,
       (SELECT coalesce(array_agg(k.authority ORDER BY k.authority), '{}') FROM timestamp_token k WHERE k.statement_id = s.statement_id) AS authorities
FROM statement s WHERE %(what)s::text IS NULL OR s.what = %(what)s::text ORDER BY s.statement_id;

-- name: last_head
-- The newest head.
SELECT s.statement_id, s.what, s.audit_id, s.document, s.public_key, s.signature, '{}'::text[] AS authorities
FROM statement s WHERE s.what = 'head' ORDER BY s.audit_id DESC LIMIT 1;

-- name: tokens
-- Every token.
SELECT statement_id, authority, token, vouched_at FROM timestamp_token ORDER BY statement_id, authority;

-- name: due
-- Statements for which an authority has to be asked now, newest first: a new one must not wait behind many old ones.
SELECT s.statement_id, s.what, s.audit_id, s.document, s.public_key, s.signature, '{}'::text[] AS authorities
FROM statement s LEFT JOIN timestamp_failure f ON f.statement_id = s.statement_id AND f.authority = %(authority)s::text
WHERE NOT EXISTS (SELECT FROM timestamp_token k WHERE k.statement_id = s.statement_id AND k.authority = %(authority)s::text)
  AND (f.next_at IS NULL OR f.next_at <= %(now)s::timestamptz)
ORDER BY s.statement_id DESC LIMIT %(most)s::int;

-- name: add_token
-- A token; the first one counts.
INSERT INTO timestamp_token (statement_id, authority, token, vouched_at)
VALUES (%(statement_id)s::int, %(authority)s::text, %(token)s::bytea, %(vouched_at)s::timestamptz)
ON CONFLICT (statement_id, authority) DO NOTHING;

-- name: forget_failure
-- It has answered.
DELETE FROM timestamp_failure WHERE statement_id = %(statement_id)s::int AND authority = %(authority)s::text;

-- name: add_failure
-- It did not answer, or not well: next time after a pause that doubles from one minute to six hours.
INSERT INTO timestamp_failure AS f (statement_id, authority, failures, problem, next_at)
VALUES (%(statement_id)s::int, %(authority)s::text, 1, %(problem)s::text, %(now)s::timestamptz + interval '1 minute')
ON CONFLICT (statement_id, authority) DO UPDATE SET failures = f.failures + 1, problem = excluded.problem,
    next_at = %(now)s::timestamptz + least(interval '6 hours', interval '1 minute' * power(2, least(f.failures, 10)));

-- name: waiting
-- For each authority: statements that wait for its token, and its last problem.
SELECT f.authority, count(*)::int AS statements, (array_agg(f.problem ORDER BY f.next_at DESC))[1] AS problem
FROM timestamp_failure f GROUP BY 1 ORDER BY 1;

-- name: count_stamps
-- Grows with each statement and each token.
SELECT (SELECT count(*) FROM statement) + (SELECT count(*) FROM timestamp_token);

-- name: one_worker
-- False if another worker is asking.
SELECT pg_try_advisory_xact_lock(7031869);
