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

-- The net below the queries of the pages: while a page is read, the session acts as `insitu_pages`, which sees the rows of those
-- trials that were set for the reader and nothing before they were set ('*': all). The owner, which ingests and migrates, is not
-- limited; were it, pg_dump would refuse to save. Observations have no policies: TimescaleDB has none on compressed tables.
DO $$ BEGIN
    CREATE ROLE insitu_pages NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; -- it is there, or an administrator makes it
END $$;

CREATE FUNCTION grant_pages() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    secret record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_pages') THEN
        RETURN;
    END IF;
    IF NOT pg_has_role(current_user, 'insitu_pages', 'SET') THEN
        EXECUTE 'GRANT insitu_pages TO ' || quote_ident(current_user);
    END IF;
    GRANT USAGE ON SCHEMA public TO insitu_pages;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO insitu_pages;
    FOR secret IN
        SELECT attrelid::regclass AS of, string_agg(quote_ident(attname), ', ')
                   FILTER (WHERE attname NOT IN ('password_hash', 'nats_hash', 'mosquitto_hash')) AS columns
        FROM pg_attribute WHERE attrelid IN ('person'::regclass, 'credential'::regclass) AND attnum > 0 AND NOT attisdropped
        GROUP BY 1
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM insitu_pages', secret.of);
        EXECUTE format('GRANT SELECT (%s) ON %s TO insitu_pages', secret.columns, secret.of);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN NULL; -- `insitu check` says that the net is not there
END $$;

CREATE FUNCTION sees_all() RETURNS boolean LANGUAGE sql STABLE AS $$ SELECT current_setting('insitu.trials', true) = '*' $$;
CREATE FUNCTION seen_trials() RETURNS int[] LANGUAGE sql STABLE AS $$
    SELECT nullif(nullif(current_setting('insitu.trials', true), '*'), '')::int[]
$$;
CREATE FUNCTION seen_codes() RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT nullif(current_setting('insitu.codes', true), '')::text[]
$$;

ALTER TABLE trial ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON trial USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
ALTER TABLE device ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON device USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
ALTER TABLE protocol ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON protocol USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
ALTER TABLE evaluation ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON evaluation USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
ALTER TABLE unblinding ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON unblinding USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
ALTER TABLE decision ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON decision USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
ALTER TABLE trial_step ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON trial_step USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
ALTER TABLE deployment ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON deployment USING ((SELECT sees_all()) OR device_id IN (SELECT device_id FROM device));
ALTER TABLE datastream ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON datastream USING ((SELECT sees_all()) OR device_id IN (SELECT device_id FROM device));
ALTER TABLE reject ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON reject USING ((SELECT sees_all()) OR trial = ANY ((SELECT seen_codes())::text[]));
ALTER TABLE reject_overflow ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON reject_overflow USING ((SELECT sees_all()) OR trial = ANY ((SELECT seen_codes())::text[]));
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON ledger USING ((SELECT sees_all()) OR trial = ANY ((SELECT seen_codes())::text[]));
ALTER TABLE ledger_reason ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON ledger_reason USING ((SELECT sees_all()) OR trial = ANY ((SELECT seen_codes())::text[]));
ALTER TABLE audit ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON audit USING ((SELECT sees_all()));
