-- name: save_protocol
-- A new version of a trial's protocol.
INSERT INTO protocol (trial_id, version, document, sha256, created_at, reason)
SELECT trial_id, %(version)s::int, %(document)s::text, %(sha256)s::text, %(now)s::timestamptz, %(reason)s::text
FROM trial WHERE code = %(trial)s::text RETURNING protocol_id;

-- name: lock_protocol
-- Lock a protocol.
UPDATE protocol SET locked_at = %(at)s::timestamptz, locked_by = %(login)s::text
WHERE protocol_id = %(protocol_id)s::int AND locked_at IS NULL;

-- name: protocols
-- Versions of a trial's protocol, newest first.
SELECT p.protocol_id, p.version, p.document, p.sha256, p.created_at, p.reason, p.locked_at, p.locked_by
FROM protocol p JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text ORDER BY p.version DESC;

-- name: save_evaluation
-- The result of applying a locked protocol.
INSERT INTO evaluation (trial_id, protocol_id, evaluated_at, evaluated_by, verdict, interim, blinded, after_the_fact, afterwards,
                        inputs_sha256, sha256, document)
SELECT trial_id, %(protocol_id)s::int, %(evaluated_at)s::timestamptz, %(evaluated_by)s::text, %(verdict)s::text,
       %(interim)s::boolean, %(blinded)s::boolean, %(after_the_fact)s::boolean, %(afterwards)s::jsonb, %(inputs_sha256)s::text, %(sha256)s::text, %(document)s::text
FROM trial WHERE code = %(trial)s::text RETURNING evaluation_id;

-- name: evaluation
-- One evaluation.
SELECT e.evaluation_id, t.code AS trial, e.protocol_id, e.evaluated_at, e.evaluated_by, e.verdict, e.interim, e.inputs_sha256,
       e.sha256, e.document FROM evaluation e JOIN trial t USING (trial_id) WHERE e.evaluation_id = %(evaluation_id)s::int;

-- name: evaluations
-- Evaluations of a trial, newest first.
SELECT e.evaluation_id, t.code AS trial, e.protocol_id, e.evaluated_at, e.evaluated_by, e.verdict, e.interim, e.inputs_sha256,
       e.sha256, e.document FROM evaluation e JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text
ORDER BY e.evaluation_id DESC LIMIT %(most)s::int;

-- name: evaluations_before
-- Evaluations before a moment, oldest first.
SELECT e.evaluated_at, e.sha256, e.interim, e.blinded FROM evaluation e JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text AND e.evaluated_at < %(at)s::timestamptz ORDER BY e.evaluated_at, e.evaluation_id;

-- name: save_unblinding
-- Record that an endpoint is no longer blinded.
INSERT INTO unblinding (trial_id, endpoint, at, login, reason)
SELECT trial_id, %(endpoint)s::text, %(at)s::timestamptz, %(login)s::text, %(reason)s::text FROM trial WHERE code = %(trial)s::text;

-- name: unblindings
-- Endpoints of a trial that are no longer blinded, in order of time.
SELECT u.endpoint, u.at, u.login, u.reason FROM unblinding u JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text ORDER BY u.at, u.endpoint;
