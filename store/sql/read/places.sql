-- name: places
-- Deployments of some devices.
SELECT p.device_id, d.code AS device, s.code AS site, s.name AS site_name, p.position, lower(p.period) AS start,
       upper(p.period) AS end
FROM deployment p JOIN device d USING (device_id) JOIN site s USING (site_id)
WHERE p.device_id = ANY(%(device_ids)s::int[])
  AND (%(host_id)s::int IS NULL OR s.host_id = %(host_id)s::int) ORDER BY p.device_id, lower(p.period);

-- name: position_history
-- All deployments at the positions of one device, including its own: two one after the other are a swap.
SELECT p.device_id, d.code AS device, s.code AS site, s.name AS site_name, p.position, lower(p.period) AS start,
       upper(p.period) AS end
FROM deployment p JOIN device d USING (device_id) JOIN site s USING (site_id)
WHERE d.trial_id = (SELECT trial_id FROM device WHERE device_id = %(device_id)s::int)
  AND (p.site_id, p.position) IN (SELECT site_id, position FROM deployment WHERE device_id = %(device_id)s::int)
  AND (%(host_id)s::int IS NULL OR s.host_id = %(host_id)s::int)
ORDER BY lower(p.period) DESC, d.code;

-- name: windows
-- Declared windows that count for some devices and overlap `[start, end)`: their own, their trial's, and those of sites where they
-- were deployed during the window. An ended one ends there.
SELECT x.device_id, v.window_id, v.kind, w.code AS site, lower(v.period) AS start, upper(v.period) AS end, v.reason,
       v.declared_by, v.declared_at
FROM (SELECT window_id, kind, trial_id, site_id, device_id, reason, declared_by, declared_at,
             tstzrange(lower(period), coalesce(ended_at, upper(period)), '[)') AS period
      FROM declared_window WHERE withdrawn_at IS NULL) v LEFT JOIN site w USING (site_id)
CROSS JOIN LATERAL (
    SELECT d.device_id FROM device d WHERE d.device_id = v.device_id OR d.trial_id = v.trial_id
    UNION SELECT p.device_id FROM deployment p WHERE p.site_id = v.site_id AND p.period && v.period
        AND (%(host_id)s::int IS NULL OR w.host_id = %(host_id)s::int)) x
WHERE x.device_id = ANY(%(device_ids)s::int[]) AND v.period && tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)')
ORDER BY x.device_id, start, v.window_id;
