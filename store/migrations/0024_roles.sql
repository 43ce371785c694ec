-- Each person has a role of their own: people of a host operate its sites or buy, and an auditor reads everything. The decision
-- about a trial is a row of its own, tied to the evaluation and the protocol that it rests on.

ALTER TABLE organisation DROP CONSTRAINT organisation_kind_check,
    ADD CONSTRAINT organisation_kind_check CHECK (kind IN ('host', 'company', 'evaluator', 'lab', 'auditor'));

ALTER TABLE person ADD role text
    CONSTRAINT person_role_check CHECK (role IN ('lab', 'operator', 'buyer', 'evaluator', 'company', 'auditor'));
UPDATE person SET role = CASE o.kind WHEN 'host' THEN 'operator' ELSE o.kind END
FROM organisation o WHERE o.organisation_id = person.organisation_id;
ALTER TABLE person ALTER role SET NOT NULL;

-- The kind of the organisation decides the roles that its people may have; the first is that of a person whose role is not stated.
CREATE FUNCTION fit_role() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    roles text[] := (SELECT CASE kind WHEN 'host' THEN ARRAY['operator', 'buyer'] WHEN 'lab' THEN ARRAY['lab', 'auditor']
                            ELSE ARRAY[kind] END FROM organisation WHERE organisation_id = NEW.organisation_id);
BEGIN
    NEW.role := coalesce(NEW.role, roles[1]);
    IF NEW.role <> ALL (roles) THEN
        RAISE EXCEPTION 'the organisation has no role %', NEW.role
            USING ERRCODE = 'check_violation', CONSTRAINT = 'person_role_check', TABLE = 'person';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER role_fits BEFORE INSERT OR UPDATE OF role, organisation_id ON person FOR EACH ROW EXECUTE FUNCTION fit_role();

-- The end of a trial: who decided, for whom, why, and the hashes of the evaluation and the protocol.
CREATE TABLE decision (
    decision_id       int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id          int NOT NULL UNIQUE REFERENCES trial,
    evaluation_id     int NOT NULL REFERENCES evaluation,
    evaluation_sha256 text NOT NULL,
    protocol_sha256   text NOT NULL,
    outcome           text NOT NULL CONSTRAINT decision_outcome_check CHECK (outcome IN ('buy', 'iterate', 'stop')),
    reason            text NOT NULL CONSTRAINT decision_reason_check CHECK (length(reason) BETWEEN 1 AND 2000),
    decided_at        timestamptz NOT NULL,
    decided_by        text NOT NULL,
    on_behalf         boolean NOT NULL -- the lab entered it for the host
);
CREATE TRIGGER decisions_stay BEFORE UPDATE OR DELETE ON decision FOR EACH ROW EXECUTE FUNCTION refuse_change();
