-- name: add_trial
-- A trial of a company at a host.
INSERT INTO trial (code, title, need_id, host_id, company_id, evaluator_id, time_zone, ends_at, created_at, shard_id)
SELECT %(code)s::text, %(title)s::jsonb, (SELECT need_id FROM need WHERE need.code = %(need)s::text), h.organisation_id,
       c.organisation_id, (SELECT organisation_id FROM organisation WHERE code = %(evaluator)s::text AND kind = 'evaluator'),
       %(time_zone)s::text, %(ends_at)s::timestamptz, %(now)s::timestamptz,
       (SELECT number FROM shard_count, generate_series(0, wanted - 1) AS number
        ORDER BY (SELECT count(*) FROM trial t WHERE t.shard_id = number), number LIMIT 1)
FROM organisation h, organisation c
WHERE h.code = %(host)s::text AND h.kind = 'host' AND c.code = %(company)s::text AND c.kind = 'company'
  AND (%(need)s::text IS NULL OR EXISTS (SELECT FROM need WHERE need.code = %(need)s::text))
  AND (%(evaluator)s::text IS NULL
       OR EXISTS (SELECT FROM organisation x WHERE x.code = %(evaluator)s::text AND x.kind = 'evaluator'))
RETURNING trial_id;

-- name: trials
-- Trials with the names of those who take part; only one if a code is given.
SELECT t.trial_id, t.code, t.title, t.state, t.time_zone, t.ends_at, t.created_at, n.code AS need, h.name AS host,
       c.name AS company, e.name AS evaluator, t.host_id, t.company_id, t.evaluator_id
FROM trial t JOIN organisation h ON h.organisation_id = t.host_id JOIN organisation c ON c.organisation_id = t.company_id
LEFT JOIN organisation e ON e.organisation_id = t.evaluator_id LEFT JOIN need n USING (need_id)
WHERE %(code)s::text IS NULL OR t.code = %(code)s::text ORDER BY t.code;

-- name: set_trial_state
-- Move a trial to its next state; changes nothing if somebody else moved it first.
UPDATE trial SET state = %(to)s::text WHERE trial_id = %(trial_id)s::int AND state = %(from)s::text;

-- name: add_trial_step
-- Record who moved the trial, when and why.
INSERT INTO trial_step (trial_id, from_state, to_state, at, by_login, note)
VALUES (%(trial_id)s::int, %(from)s::text, %(to)s::text, %(at)s::timestamptz, %(login)s::text, %(note)s::text);

-- name: trial_steps
-- The steps of a trial so far.
SELECT from_state, to_state, at, by_login, note FROM trial_step WHERE trial_id = %(trial_id)s::int ORDER BY at, trial_step_id;
