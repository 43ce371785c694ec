-- name: save_decision
-- The decision about a trial, with the hashes of the evaluation and of the protocol that it rests on.
INSERT INTO decision (trial_id, evaluation_id, evaluation_sha256, protocol_sha256, outcome, reason, decided_at, decided_by, on_behalf)
SELECT e.trial_id, e.evaluation_id, e.sha256, p.sha256, %(outcome)s::text, %(reason)s::text, %(at)s::timestamptz, %(login)s::text,
       %(on_behalf)s::boolean
FROM evaluation e JOIN protocol p USING (protocol_id) WHERE e.evaluation_id = %(evaluation_id)s::int;

-- name: decision
-- The decision about a trial.
SELECT x.evaluation_id, x.evaluation_sha256, x.protocol_sha256, x.outcome, x.reason, x.decided_at, x.decided_by, x.on_behalf,
       h.name AS host
FROM decision x JOIN trial t USING (trial_id) JOIN organisation h ON h.organisation_id = t.host_id
WHERE t.code = %(trial)s::text;

-- name: decidable
-- The newest evaluation of a trial.
SELECT e.evaluation_id, e.interim, e.blinded FROM evaluation e JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text ORDER BY e.evaluation_id DESC LIMIT 1;

-- name: lock_trial
-- Makes a second decision wait.
SELECT FROM trial WHERE code = %(trial)s::text FOR UPDATE;
