-- name: failures_of
-- How often attempts under these keys failed within the span that counts, and how long ago the last one was.
SELECT key, failures, extract(epoch FROM clock_timestamp() - last_at)::float8 AS idle_s FROM sign_in_failure
WHERE key = ANY(%(keys)s::bytea[]) AND since > clock_timestamp() - %(within)s::interval;

-- name: add_attempt
-- One more under each key; the count begins again after the span. In order, so that two processes never wait for each other.
INSERT INTO sign_in_failure AS f (key, failures, since, last_at)
SELECT key, 1, clock_timestamp(), clock_timestamp() FROM unnest(%(keys)s::bytea[]) AS k(key) ORDER BY key
ON CONFLICT (key) DO UPDATE SET
    failures = CASE WHEN f.since > clock_timestamp() - %(within)s::interval THEN f.failures + 1 ELSE 1 END,
    since = CASE WHEN f.since > clock_timestamp() - %(within)s::interval THEN f.since ELSE clock_timestamp() END,
    last_at = clock_timestamp()
RETURNING key, failures;

-- name: forgive_attempt
-- The attempt was right, so it counts no longer. In order, as above.
UPDATE sign_in_failure SET failures = failures - 1
WHERE key IN (SELECT key FROM sign_in_failure WHERE key = ANY(%(keys)s::bytea[]) AND failures > 0 ORDER BY key FOR UPDATE);

-- name: drop_old_failures
-- Failures that no longer count; those that another process counts or drops now are left to it.
DELETE FROM sign_in_failure WHERE key IN (
    SELECT key FROM sign_in_failure WHERE since <= clock_timestamp() - %(within)s::interval FOR UPDATE SKIP LOCKED
);
