-- name: add_window
-- Maintenance, access or incident, for exactly one of trial, site, device.
INSERT INTO declared_window (kind, trial_id, site_id, device_id, period, reason, declared_by, declared_at)
SELECT %(kind)s::text, t.trial_id, s.site_id, %(device_id)s::int, tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)'),
       %(reason)s::text, %(declared_by)s::text, %(declared_at)s::timestamptz
FROM (VALUES (1)) AS one LEFT JOIN trial t ON t.code = %(trial)s::text LEFT JOIN site s ON s.code = %(site)s::text
WHERE (t.trial_id IS NOT NULL OR %(trial)s::text IS NULL) AND (s.site_id IS NOT NULL OR %(site)s::text IS NULL)
RETURNING window_id;

-- name: name_of_device
-- The device as TRIAL/DEVICE.
SELECT t.code || '/' || d.code FROM device d JOIN trial t USING (trial_id) WHERE d.device_id = %(device_id)s::int;

-- name: windows_of_trial
-- Windows that touch a trial: its own, those of its sites, those of its devices.
SELECT w.kind, CASE WHEN w.trial_id IS NOT NULL THEN 'trial' WHEN w.site_id IS NOT NULL THEN 'site' ELSE 'device' END
       AS target_kind, coalesce(t.code, s.code, d.code) AS target, lower(w.period) AS start, upper(w.period) AS end, w.reason,
       w.declared_by, w.declared_at
FROM declared_window w LEFT JOIN trial t ON t.trial_id = w.trial_id LEFT JOIN site s ON s.site_id = w.site_id
LEFT JOIN device d ON d.device_id = w.device_id
WHERE t.code = %(trial)s::text OR d.trial_id = (SELECT trial_id FROM trial WHERE code = %(trial)s::text)
   OR w.site_id IN (SELECT p.site_id FROM deployment p JOIN device x USING (device_id) JOIN trial y USING (trial_id)
                    WHERE y.code = %(trial)s::text)
ORDER BY lower(w.period), w.window_id;
