-- Blinded endpoints: nobody sees the result before the evaluator unblinds it. Records who did so, when and why, and which
-- evaluations withhold the verdict.

CREATE TABLE unblinding (
    trial_id int NOT NULL REFERENCES trial,
    endpoint text NOT NULL,
    at       timestamptz NOT NULL,
    login    text NOT NULL,
    reason   text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (trial_id, endpoint)
);
CREATE TRIGGER unblindings_stay BEFORE UPDATE OR DELETE ON unblinding FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- True: a primary endpoint is blinded, so the column `verdict` has no meaning.
ALTER TABLE evaluation ADD blinded boolean NOT NULL DEFAULT false;
