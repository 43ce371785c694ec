-- name: one_worker
-- Lets one transaction at a time look for troubles; false if another one does.
SELECT pg_try_advisory_xact_lock(7031877);

-- name: all_devices
-- Every device that is not retired, with its trial.
SELECT d.device_id, d.trial_id, t.code AS trial, d.code AS device FROM device d JOIN trial t USING (trial_id)
WHERE d.retired_at IS NULL OR d.retired_at > %(now)s::timestamptz ORDER BY d.device_id;

-- name: open_troubles
-- Troubles that wait, that are open, or that were resolved a short time ago.
SELECT trouble_id, kind, trial_id, device_id, since, opened_at, clear_since, resolved_at, is_quiet, detail FROM trouble
WHERE resolved_at IS NULL OR resolved_at > %(since)s::timestamptz ORDER BY trouble_id;

-- name: add_trouble
-- A trouble that was seen for the first time.
INSERT INTO trouble (kind, trial_id, device_id, since, opened_at, clear_since, resolved_at, is_quiet, detail)
VALUES (%(kind)s::text, %(trial_id)s::int, %(device_id)s::int, %(since)s::timestamptz, %(opened_at)s::timestamptz,
        %(clear_since)s::timestamptz, %(resolved_at)s::timestamptz, %(is_quiet)s::boolean, %(detail)s::jsonb)
RETURNING trouble_id;

-- name: save_trouble
-- How it is now.
UPDATE trouble SET opened_at = %(opened_at)s::timestamptz, clear_since = %(clear_since)s::timestamptz,
    resolved_at = %(resolved_at)s::timestamptz, detail = %(detail)s::jsonb WHERE trouble_id = %(trouble_id)s::bigint;

-- name: drop_trouble
-- It went away before it was one.
DELETE FROM trouble WHERE trouble_id = %(trouble_id)s::bigint AND opened_at IS NULL;

-- name: list_outages
-- Outages of our own since a moment, oldest first.
SELECT started_at, ended_at FROM outage WHERE ended_at >= %(since)s::timestamptz ORDER BY started_at, outage_id;

-- name: all_windows
-- Declared windows of every device since a moment: its own, its trial's, and those of sites while it stood there.
SELECT DISTINCT x.device_id, greatest(lower(v.period), x.start) AS start, least(upper(v.period), x.finish) AS "end"
FROM declared_window v CROSS JOIN LATERAL (
    SELECT d.device_id, NULL::timestamptz AS start, NULL::timestamptz AS finish FROM device d
    WHERE d.device_id = v.device_id OR d.trial_id = v.trial_id
    UNION ALL SELECT p.device_id, lower(p.period), upper(p.period) FROM deployment p
    WHERE p.site_id = v.site_id AND p.period && v.period) x
WHERE v.period && tstzrange(%(since)s::timestamptz, %(now)s::timestamptz, '[)') ORDER BY 1, 2;

-- name: refusals
-- Messages of each device since a moment, and those that were refused, whole or in part; by the hour.
SELECT t.trial_id, d.device_id, sum(l.received)::bigint AS received, sum(l.rejected + l.partly)::bigint AS refused
FROM ledger l JOIN trial t ON t.code = l.trial JOIN device d ON d.trial_id = t.trial_id AND d.code = l.device
WHERE l.reject_id = 0 AND l.hour > %(since)s::timestamptz GROUP BY 1, 2 HAVING sum(l.rejected + l.partly) > 0 ORDER BY 2;
