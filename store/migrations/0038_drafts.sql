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

-- As before, and with the answers that are kept for a person's repeats.
CREATE OR REPLACE FUNCTION erase_person(at timestamptz, by_login text, reason text, whom int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE number int;
BEGIN
    INSERT INTO erasure (at, by_login, reason, person_id, parts)
    VALUES (erase_person.at, erase_person.by_login, erase_person.reason, whom, '{person}') RETURNING erasure_id INTO number;
    WITH gone AS (DELETE FROM signed_in WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'signed_in', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM access_token_address a USING access_token k
                  WHERE k.access_token_id = a.access_token_id AND k.person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'access_token_address', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM access_token WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'access_token', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM second_factor WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'second_factor', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM invitation WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'invitation', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM alert_channel WHERE person_id = whom RETURNING 1) -- and its notices
    INSERT INTO erased_rows SELECT number, '', '', 'alert_channel', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM alert WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'alert', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM alert_rule WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'alert_rule', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM kept_answer WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'kept_answer', count(*), 0 FROM gone HAVING count(*) > 0;
    UPDATE person SET name = '', login = 'erased-' || whom, password_hash = NULL, issuer = NULL, subject = NULL,
        manages_people = false, last_sign_in_at = NULL, disabled_at = coalesce(disabled_at, erase_person.at) WHERE person_id = whom;
    INSERT INTO erased_rows VALUES (number, '', '', 'person', 1, 0);
    RETURN number;
END $$;
