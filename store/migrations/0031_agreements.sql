-- The agreement of a trial: who may use which data and how long, trade secrets, security sheets. Each version stays; the newest counts.
CREATE TABLE agreement (
    agreement_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    trial_id     int NOT NULL REFERENCES trial,
    document     text NOT NULL CHECK (octet_length(document) <= 262144), -- canonical JSON, see trials/plan/agreement.py
    sha256       text NOT NULL,
    entered_at   timestamptz NOT NULL,
    entered_by   text NOT NULL
);
CREATE INDEX agreement_by_trial ON agreement (trial_id, agreement_id DESC); -- serves newest_agreement
CREATE TRIGGER agreements_stay BEFORE UPDATE OR DELETE ON agreement FOR EACH ROW EXECUTE FUNCTION refuse_change();
ALTER TABLE agreement ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON agreement USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
