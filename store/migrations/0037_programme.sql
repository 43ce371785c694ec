-- For acts on the pages: windows are ended and withdrawn, evaluations are asked for.

-- A window stays as it was declared. It can be ended from a moment on, or withdrawn with a reason; a corrected window is a withdrawn
-- one and another one, which is declared at the time of the correction.
ALTER TABLE declared_window
    ADD COLUMN ended_at timestamptz, ADD COLUMN ended_by text,
    ADD COLUMN withdrawn_at timestamptz, ADD COLUMN withdrawn_by text, ADD COLUMN withdrawn_for text,
    ADD CONSTRAINT declared_window_ended_check CHECK (num_nonnulls(ended_at, ended_by) IN (0, 2) AND (ended_at IS NULL OR period @> ended_at)),
    ADD CONSTRAINT declared_window_withdrawn_check CHECK (num_nonnulls(withdrawn_at, withdrawn_by, withdrawn_for) IN (0, 3));
CREATE INDEX declared_window_by_site ON declared_window (site_id) WHERE site_id IS NOT NULL; -- serves windows_of_site

-- Somebody asked for an evaluation; a job makes it, so that no page waits. Queued without `started_at`, running without `ended_at`,
-- then done with its evaluation or failed with the reason.
CREATE TABLE evaluation_request (
    request_id    int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id      int NOT NULL REFERENCES trial,
    asked_at      timestamptz NOT NULL,
    asked_by      text NOT NULL,
    started_at    timestamptz,
    ended_at      timestamptz,
    evaluation_id int REFERENCES evaluation,
    problem       text CHECK (length(problem) <= 2000),
    CHECK ((ended_at IS NULL) = (num_nonnulls(evaluation_id, problem) = 0) AND num_nonnulls(evaluation_id, problem) <= 1)
);
CREATE UNIQUE INDEX one_open_request ON evaluation_request (trial_id) WHERE ended_at IS NULL; -- asking twice asks once
CREATE INDEX evaluation_request_by_trial ON evaluation_request (trial_id, request_id DESC); -- serves newest_request
ALTER TABLE evaluation_request ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON evaluation_request USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
