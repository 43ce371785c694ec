-- The time of a result marks the beginning or the end of the interval that the result stands for, or an instant. The interval is
-- the expected one, so a stamp at an edge needs one.

ALTER TABLE datastream ADD stamp text NOT NULL DEFAULT 'instant' CHECK (stamp IN ('begin', 'end', 'instant')),
    ADD CHECK (stamp = 'instant' OR expected_interval IS NOT NULL);
ALTER TABLE mapping ADD stamp text NOT NULL DEFAULT 'instant' CHECK (stamp IN ('begin', 'end', 'instant')),
    ADD CHECK (stamp = 'instant' OR expected_interval IS NOT NULL);
