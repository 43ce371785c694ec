-- Endpoints whose result nobody sees before the evaluator says so: who said it, when and why; evaluations that withhold the verdict.

CREATE TABLE unblinding (
    trial_id int NOT NULL REFERENCES trial,
    endpoint text NOT NULL,
    at       timestamptz NOT NULL,
    login    text NOT NULL,
    reason   text NOT NULL CHECK (reason <> ''),
    PRIMARY KEY (trial_id, endpoint)
);
CREATE TRIGGER unblindings_stay BEFORE UPDATE OR DELETE ON unblinding FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- True: the column `verdict` says nothing, since a primary endpoint is blinded.
ALTER TABLE evaluation ADD blinded boolean NOT NULL DEFAULT false;
