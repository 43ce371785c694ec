-- name: add_agreement
-- A version of the agreement of a trial.
INSERT INTO agreement (trial_id, document, sha256, entered_at, entered_by)
SELECT trial_id, %(document)s::text, %(sha256)s::text, %(at)s::timestamptz, %(by)s::text FROM trial WHERE code = %(trial)s::text
RETURNING agreement_id;

-- name: newest_agreement
-- The version of the agreement of a trial that counts.
SELECT a.agreement_id, a.document, a.sha256, a.entered_at, a.entered_by FROM agreement a JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text ORDER BY a.agreement_id DESC LIMIT 1;

-- name: concerned
-- Codes of the parties of a trial, and the models of its devices; '' for devices without one.
SELECT array_remove(ARRAY[h.code, c.code, e.code], NULL) AS parties,
       ARRAY(SELECT DISTINCT d.model FROM device d WHERE d.trial_id = t.trial_id AND d.retired_at IS NULL ORDER BY 1) AS models
FROM trial t JOIN organisation h ON h.organisation_id = t.host_id JOIN organisation c ON c.organisation_id = t.company_id
LEFT JOIN organisation e ON e.organisation_id = t.evaluator_id WHERE t.code = %(trial)s::text;
