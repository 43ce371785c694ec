-- Only an import with a reason replaces a stored result. The old result stays here for ever. The ledger counts a corrected result
-- as a duplicate, since its row existed already.

CREATE TABLE correction (
    correction_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    datastream_id   int NOT NULL REFERENCES datastream,
    phenomenon_time timestamptz NOT NULL,
    old_result      double precision NOT NULL,
    new_result      double precision NOT NULL,
    old_received_at timestamptz NOT NULL, -- of the old observation; it now has the time of the correction
    corrected_at    timestamptz NOT NULL,
    login           text NOT NULL,
    reason          text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    file            text NOT NULL,
    file_sha256     text NOT NULL,
    -- a file with two results for one time corrects it once, however often it is imported; serves differing
    UNIQUE (datastream_id, phenomenon_time, file_sha256, reason)
);

CREATE TRIGGER corrections_stay BEFORE UPDATE OR DELETE ON correction FOR EACH ROW EXECUTE FUNCTION refuse_change();
