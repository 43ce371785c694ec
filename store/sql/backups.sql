-- name: backup_state
-- The state of the backups of this installation.
SELECT made_at, place, kind, bytes, seconds, every_hours, received_at, trouble FROM backup_state;

-- name: save_backup_state
-- The newest backup, and how its archive is.
UPDATE backup_state SET made_at = %(made_at)s::timestamptz, place = %(place)s::text, kind = %(kind)s::text, bytes = %(bytes)s::bigint,
    seconds = %(seconds)s::float8, every_hours = %(every_hours)s::float8, received_at = %(received_at)s::timestamptz,
    trouble = %(trouble)s::text;

-- name: note_restore
-- Remember a restore; changes nothing if it is remembered.
UPDATE backup_state SET restored = %(note)s::text WHERE restored IS DISTINCT FROM %(note)s::text;
