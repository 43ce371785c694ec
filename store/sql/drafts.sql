-- name: draft_of
-- The draft of a trial's next protocol.
SELECT d.text, d.changed_at, d.changed_by FROM protocol_draft d JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text;

-- name: hold_trial
-- One writer of a draft at a time.
SELECT trial_id FROM trial WHERE code = %(trial)s::text FOR UPDATE;

-- name: save_draft
-- The draft becomes this text.
INSERT INTO protocol_draft (trial_id, text, changed_at, changed_by)
SELECT trial_id, %(text)s::text, %(now)s::timestamptz, %(login)s::text FROM trial WHERE code = %(trial)s::text
ON CONFLICT (trial_id) DO UPDATE SET text = excluded.text, changed_at = excluded.changed_at, changed_by = excluded.changed_by;

-- name: remove_draft
-- The draft is locked, or thrown away.
DELETE FROM protocol_draft d USING trial t WHERE t.trial_id = d.trial_id AND t.code = %(trial)s::text;

-- name: list_drafts
-- The drafts of all trials, by code.
SELECT d.text, d.changed_at, d.changed_by, t.code AS trial FROM protocol_draft d JOIN trial t USING (trial_id) ORDER BY t.code;
