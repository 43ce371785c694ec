-- name: ask
-- A request for an evaluation, unless one is open; returns nothing then.
INSERT INTO evaluation_request (trial_id, asked_at, asked_by)
SELECT trial_id, %(now)s::timestamptz, %(login)s::text FROM trial WHERE code = %(trial)s::text
ON CONFLICT (trial_id) WHERE ended_at IS NULL DO NOTHING RETURNING request_id;

-- name: requests_of_trial
-- Requests for evaluations of a trial, newest first.
SELECT r.request_id, t.code AS trial, r.asked_at, r.asked_by, r.started_at, r.ended_at, r.evaluation_id, r.problem
FROM evaluation_request r JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text
ORDER BY r.request_id DESC LIMIT %(most)s::int;

-- name: failed_requests
-- Trials whose newest request for an evaluation failed, with it.
SELECT * FROM (
    SELECT DISTINCT ON (t.code) r.request_id, t.code AS trial, r.asked_at, r.asked_by, r.started_at, r.ended_at, r.evaluation_id, r.problem
    FROM evaluation_request r JOIN trial t USING (trial_id) WHERE t.code = ANY(%(trials)s::text[])
    ORDER BY t.code, r.request_id DESC) newest
WHERE problem IS NOT NULL ORDER BY trial;

-- name: open_requests
-- Requests that wait or run, oldest first.
SELECT r.request_id, t.code AS trial, r.asked_at, r.asked_by, r.started_at, r.ended_at, r.evaluation_id, r.problem
FROM evaluation_request r JOIN trial t USING (trial_id) WHERE r.ended_at IS NULL ORDER BY r.request_id;

-- name: take_request
-- True if no other process works at this request; its turn lasts until its session ends or gives it back.
SELECT pg_try_advisory_lock(7031871, %(request_id)s::int);

-- name: give_back
-- The turn at a request ends.
SELECT pg_advisory_unlock(7031871, %(request_id)s::int);

-- name: start_request
-- The work at a request begins; false if it has ended meanwhile.
UPDATE evaluation_request SET started_at = %(now)s::timestamptz
WHERE request_id = %(request_id)s::int AND ended_at IS NULL;

-- name: end_request
-- A request ends with an evaluation or with a reason.
UPDATE evaluation_request SET ended_at = %(now)s::timestamptz, evaluation_id = %(evaluation_id)s::int, problem = %(problem)s::text
WHERE request_id = %(request_id)s::int AND ended_at IS NULL;
