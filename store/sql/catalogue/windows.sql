-- name: add_window
-- Maintenance, access or incident, for exactly one of trial, site, device.
INSERT INTO declared_window (kind, trial_id, site_id, device_id, period, reason, declared_by, declared_at)
SELECT %(kind)s::text, t.trial_id, s.site_id, %(device_id)s::int, tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)'),
       %(reason)s::text, %(declared_by)s::text, %(declared_at)s::timestamptz
FROM (VALUES (1)) AS one LEFT JOIN trial t ON t.code = %(trial)s::text LEFT JOIN site s ON s.code = %(site)s::text
WHERE (t.trial_id IS NOT NULL OR %(trial)s::text IS NULL) AND (s.site_id IS NOT NULL OR %(site)s::text IS NULL)
RETURNING window_id;

-- name: same_window
-- The window that is declared already as this one would be; null if there is none.
SELECT w.window_id FROM declared_window w LEFT JOIN trial t USING (trial_id) LEFT JOIN site s USING (site_id)
WHERE w.kind = %(kind)s::text AND w.reason = %(reason)s::text AND w.declared_by = %(declared_by)s::text AND w.withdrawn_at IS NULL
  AND w.ended_at IS NULL AND w.period = tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)')
  AND t.code IS NOT DISTINCT FROM %(trial)s::text AND s.code IS NOT DISTINCT FROM %(site)s::text
  AND w.device_id IS NOT DISTINCT FROM %(device_id)s::int
ORDER BY w.window_id LIMIT 1;

-- name: name_of_device
-- The device as TRIAL/DEVICE.
SELECT t.code || '/' || d.code FROM device d JOIN trial t USING (trial_id) WHERE d.device_id = %(device_id)s::int;

-- name: windows_of_trial
-- Windows that touch a trial and count: its own, those of its sites, those of its devices. An ended one ends there.
SELECT w.kind, CASE WHEN w.trial_id IS NOT NULL THEN 'trial' WHEN w.site_id IS NOT NULL THEN 'site' ELSE 'device' END
       AS target_kind, coalesce(t.code, s.code, d.code) AS target, lower(w.period) AS start,
       coalesce(w.ended_at, upper(w.period)) AS end, w.reason, w.declared_by, w.declared_at, w.ended_at
FROM declared_window w LEFT JOIN trial t ON t.trial_id = w.trial_id LEFT JOIN site s ON s.site_id = w.site_id
LEFT JOIN device d ON d.device_id = w.device_id
WHERE w.withdrawn_at IS NULL
  AND (t.code = %(trial)s::text OR d.trial_id = (SELECT trial_id FROM trial WHERE code = %(trial)s::text)
       OR w.site_id IN (SELECT p.site_id FROM deployment p JOIN device x USING (device_id) JOIN trial y USING (trial_id)
                        WHERE y.code = %(trial)s::text))
ORDER BY lower(w.period), w.window_id;

-- name: stored_windows
-- Windows as they are stored, withdrawn ones too, newest first: one by its number, those of a site, or those that touch a trial.
-- Without those whose trial or device the reader does not see: they have no name.
SELECT w.window_id, w.kind, CASE WHEN w.trial_id IS NOT NULL THEN 'trial' WHEN w.site_id IS NOT NULL THEN 'site' ELSE 'device' END
       AS target_kind, coalesce(t.code, s.code, dt.code || '/' || d.code) AS target, lower(w.period) AS start, upper(w.period) AS end,
       w.reason, w.declared_by, w.declared_at, w.ended_at, w.ended_by, w.withdrawn_at, w.withdrawn_by, w.withdrawn_for
FROM declared_window w LEFT JOIN trial t ON t.trial_id = w.trial_id LEFT JOIN site s ON s.site_id = w.site_id
LEFT JOIN device d ON d.device_id = w.device_id LEFT JOIN trial dt ON dt.trial_id = d.trial_id
WHERE CASE WHEN %(window_id)s::int IS NOT NULL THEN w.window_id = %(window_id)s::int
           WHEN %(site)s::text IS NOT NULL THEN s.code = %(site)s::text
           ELSE t.code = %(trial)s::text OR dt.code = %(trial)s::text
                OR w.site_id IN (SELECT p.site_id FROM deployment p JOIN device x USING (device_id) JOIN trial y USING (trial_id)
                                 WHERE y.code = %(trial)s::text) END
  AND coalesce(t.code, s.code, dt.code || '/' || d.code) IS NOT NULL
ORDER BY lower(w.period) DESC, w.window_id DESC LIMIT %(most)s::int;

-- name: hold_window
-- Nobody else changes the window until the transaction ends.
SELECT window_id FROM declared_window WHERE window_id = %(window_id)s::int FOR UPDATE;

-- name: end_window
-- A window ends at a moment in it.
UPDATE declared_window SET ended_at = %(at)s::timestamptz, ended_by = %(login)s::text
WHERE window_id = %(window_id)s::int AND ended_at IS NULL AND withdrawn_at IS NULL;

-- name: withdraw_window
-- A window counts no longer.
UPDATE declared_window SET withdrawn_at = %(at)s::timestamptz, withdrawn_by = %(login)s::text, withdrawn_for = %(reason)s::text
WHERE window_id = %(window_id)s::int AND withdrawn_at IS NULL;
