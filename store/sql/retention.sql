-- name: retention
-- Purpose and days that are set for a trial.
SELECT r.purpose, r.legal_basis, r.recipients, r.results_days, r.rejects_days, r.raw_fields, r.raw_days, r.set_at, r.set_by
FROM retention r JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text;

-- name: set_retention
-- Set it, or change it.
INSERT INTO retention (trial_id, purpose, legal_basis, recipients, results_days, rejects_days, raw_fields, raw_days, set_at, set_by)
SELECT trial_id, %(purpose)s::text, %(legal_basis)s::text, %(recipients)s::text, %(results_days)s::int, %(rejects_days)s::int,
       %(raw_fields)s::text[], %(raw_days)s::int, %(now)s::timestamptz, %(login)s::text
FROM trial WHERE code = %(trial)s::text
ON CONFLICT (trial_id) DO UPDATE SET purpose = excluded.purpose, legal_basis = excluded.legal_basis,
    recipients = excluded.recipients, results_days = excluded.results_days, rejects_days = excluded.rejects_days,
    raw_fields = excluded.raw_fields, raw_days = excluded.raw_days, set_at = excluded.set_at, set_by = excluded.set_by;

-- name: raw_allowed
-- Trials that let texts of some fields stay for some days.
SELECT t.code, r.raw_fields, r.raw_days FROM retention r JOIN trial t USING (trial_id)
WHERE t.code = ANY(%(trials)s::text[]) AND r.raw_days > 0 AND r.raw_fields <> '{}';

-- name: record_lines
-- Each trial with its purpose, its parties, its properties, and how long its data stay; null: nothing is set.
SELECT t.code AS trial, t.title, t.state, h.name AS host, c.name AS company, e.name AS evaluator, t.ends_at,
       r.purpose, r.legal_basis, r.recipients, r.results_days, r.rejects_days, r.raw_fields, r.raw_days,
       (SELECT coalesce(array_agg(DISTINCT p.code ORDER BY p.code), '{}') FROM device d JOIN datastream s USING (device_id)
        JOIN observed_property p USING (property_id) WHERE d.trial_id = t.trial_id) AS properties,
       (SELECT count(*)::int FROM erasure x WHERE x.trial = t.code) AS erasures
FROM trial t JOIN organisation h ON h.organisation_id = t.host_id JOIN organisation c ON c.organisation_id = t.company_id
LEFT JOIN organisation e ON e.organisation_id = t.evaluator_id LEFT JOIN retention r USING (trial_id) ORDER BY t.code;

-- name: results_due
-- Trials whose results have stayed as long as they may: the trial is decided or its planned end has passed, and results are there.
SELECT t.code FROM trial t LEFT JOIN retention r USING (trial_id)
CROSS JOIN LATERAL (SELECT greatest(t.ends_at, (SELECT max(s.at) FROM trial_step s WHERE s.trial_id = t.trial_id
                                                AND s.to_state IN ('buy', 'iterate', 'stop'))) AS ended) x
WHERE x.ended + make_interval(days => coalesce(r.results_days, %(results_days)s::int)) <= %(now)s::timestamptz
  AND EXISTS (SELECT FROM device d JOIN datastream m USING (device_id) JOIN datastream_latest l USING (datastream_id)
              WHERE d.trial_id = t.trial_id)
ORDER BY 1;

-- name: messages_due
-- Trials, `unknown` too, with refused messages or statuses that have stayed as long as they may, and up to when they go.
SELECT x.trial, %(now)s::timestamptz - make_interval(days => coalesce(r.rejects_days, %(rejects_days)s::int)) AS until
FROM (SELECT code AS trial, trial_id FROM trial UNION ALL SELECT 'unknown', NULL) x LEFT JOIN retention r USING (trial_id)
WHERE EXISTS (SELECT FROM reject j WHERE j.trial = x.trial AND j.erased_by IS NULL
              AND j.received_at < %(now)s::timestamptz - make_interval(days => coalesce(r.rejects_days, %(rejects_days)s::int)))
ORDER BY 1;

-- name: raw_due
-- Refused messages whose texts were allowed to stay until now, oldest first.
SELECT r.reject_id, r.topic, r.payload, r.detail, r.trial, r.device FROM reject r
WHERE r.raw_until <= %(now)s::timestamptz ORDER BY r.raw_until, r.reject_id LIMIT %(most)s::int FOR UPDATE SKIP LOCKED;

-- name: mask_rejects
-- Their bytes and sentences without those texts.
UPDATE reject r SET payload = k.payload, detail = k.detail, topic = k.topic, raw_until = NULL
FROM unnest(%(reject_ids)s::bigint[], %(payloads)s::bytea[], %(details)s::text[], %(topics)s::text[]) AS k(reject_id, payload, detail, topic)
WHERE r.reject_id = k.reject_id;
