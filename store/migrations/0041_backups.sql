-- The state of the backups, for `check` and the metrics; and which restore the audit log has a line of, so that it has one.
CREATE TABLE backup_state (
    only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    made_at     timestamptz, -- the newest backup, with its place, kind, bytes and the seconds it took
    place       text,
    kind        text,
    bytes       bigint,
    seconds     float8,
    every_hours float8, -- null where none is made by itself
    received_at timestamptz, -- when the archive last had every change
    trouble     text, -- why the last attempt failed
    restored    text
);
INSERT INTO backup_state DEFAULT VALUES;
