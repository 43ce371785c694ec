-- For protocols that several people write, and for programs that send an act twice.

-- The one draft of a trial's next protocol, as its people write it: any text, also a broken one.
CREATE TABLE protocol_draft (
    trial_id   int PRIMARY KEY REFERENCES trial,
    text       text NOT NULL CHECK (length(text) BETWEEN 1 AND 400000),
    changed_at timestamptz NOT NULL,
    changed_by text NOT NULL
);
ALTER TABLE protocol_draft ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON protocol_draft USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));

-- The answer to an act that came with an Idempotency-Key, for a day: a repeat gets it again. It is sealed with the key itself, and
-- only a digest of the key is here, because some answers hold a password that is shown once.
CREATE TABLE kept_answer (
    person_id      int NOT NULL REFERENCES person,
    key_sha256     bytea NOT NULL CHECK (length(key_sha256) = 32),
    request_sha256 bytea NOT NULL CHECK (length(request_sha256) = 32),
    at             timestamptz NOT NULL,
    answer         bytea CHECK (length(answer) <= 1100000),
    PRIMARY KEY (person_id, key_sha256)
);
CREATE INDEX kept_answer_by_time ON kept_answer (at); -- serves forget_answers
