-- name: catalogue_rows
-- Every row of the tables, in this order, without the columns left out; of one moment, because it is one statement.
SELECT t.name, r.content FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS t(name, at)
CROSS JOIN LATERAL catalogue_rows(t.name, %(left_out)s::text[]) WITH ORDINALITY AS r(content, line)
ORDER BY t.at, r.line;

-- name: begin_import
-- True if nobody else imports a catalogue until the transaction ends.
SELECT pg_try_advisory_xact_lock(7031878);

-- name: numbered
-- The columns of the tables whose numbers the database gives, and the largest number that each can hold.
SELECT c.relname AS name, a.attname AS column, CASE a.atttypid WHEN 'bigint'::regtype THEN 9223372036854775807 ELSE 2147483647 END AS largest
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
WHERE c.oid = ANY(%(tables)s::regclass[]) AND a.attidentity <> '' AND NOT a.attisdropped ORDER BY 1, 2;

-- name: catalogue_columns
-- The columns of the tables, without those left out.
SELECT t.name, catalogue_columns(t.name, %(left_out)s::text[]) AS columns FROM unnest(%(tables)s::text[]) AS t(name);

-- name: present
-- How many rows each of the tables has, where it has any.
SELECT t.name, r.number FROM unnest(%(tables)s::text[]) WITH ORDINALITY AS t(name, at)
CROSS JOIN LATERAL (SELECT count(*) AS number FROM catalogue_rows(t.name, %(left_out)s::text[])) AS r
WHERE r.number > 0 ORDER BY t.at;

-- name: first_account
-- True if people and organisations are those of the first start, and the account has nothing of its own but its password.
SELECT (SELECT array_agg(login) FROM person) = '{lab}' AND (SELECT array_agg(code) FROM organisation) = '{lab}'
   AND NOT EXISTS (SELECT FROM access_token) AND NOT EXISTS (SELECT FROM second_factor) AND NOT EXISTS (SELECT FROM alert_channel)
   AND NOT EXISTS (SELECT FROM invitation) AND NOT EXISTS (SELECT FROM kept_answer) AND NOT EXISTS (SELECT FROM wall_link)
   AND NOT EXISTS (SELECT FROM saved_view);

-- name: forget_first_account
-- Take away the account of the first start; returns the hash of its password.
SELECT forget_first_account();

-- name: enter_rows
-- Enter rows of a table with their numbers; returns how many.
SELECT enter_catalogue_rows(%(table)s::text, %(content)s::jsonb);

-- name: enter_trial_states
-- The state of each trial, after its protocols.
SELECT enter_trial_states(%(content)s::jsonb);

-- name: keep_password
-- The account of the first start goes on with its password, under the same login.
UPDATE person SET password_hash = %(password)s::text WHERE login = 'lab' AND password_hash IS NULL;

-- name: last_numbers
-- The last number of the records that have a line in the audit log of the installation they came from, and the last times of those
-- without a number of their own: its clock may have been ahead of ours.
SELECT coalesce((SELECT max(protocol_id) FROM protocol), 0) AS lock, coalesce((SELECT max(evaluation_id) FROM evaluation), 0) AS evaluate,
       coalesce((SELECT max(decision_id) FROM decision), 0) AS decide, coalesce((SELECT max(agreement_id) FROM agreement), 0) AS agree,
       coalesce((SELECT max(trial_step_id) FROM trial_step), 0) AS move, coalesce((SELECT max(window_id) FROM declared_window), 0) AS window,
       coalesce((SELECT max(erasure_id) FROM erasure), 0) AS erase,
       greatest(%(now)s::timestamptz, (SELECT max(locked_at) FROM protocol)) AS locked_at,
       greatest(%(now)s::timestamptz, (SELECT max(at) FROM unblinding)) AS unblinded_at,
       greatest(%(now)s::timestamptz, (SELECT max(greatest(ended_at, withdrawn_at)) FROM declared_window)) AS ended_at;

-- name: was_moved
-- True if an evaluation was moved here, without the results behind it.
SELECT %(evaluation_id)s::int <= coalesce((SELECT (content::jsonb->>'evaluate')::int FROM installation WHERE name = 'moved here'), 0);
