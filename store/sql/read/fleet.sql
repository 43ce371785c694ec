-- name: fleet
-- Devices that a viewer may see, with their place. The one place that decides this, by the reach of the role (store.rights): all;
-- those of its own trials; or with `sites` those that are or were at its host's sites (the place shown is then one of those sites).
SELECT d.device_id, t.trial_id, t.code AS trial, t.title AS trial_title, t.state AS trial_state, t.time_zone, d.code AS device,
       d.name, d.model, d.serial, d.created_at, d.retired_at, o.name AS company, p.site, p.site_name, p.latitude, p.longitude,
       p.position, p.start AS deployed_at, p.finish AS deployed_until
FROM device d JOIN trial t USING (trial_id) JOIN organisation o ON o.organisation_id = t.company_id
LEFT JOIN LATERAL (
    SELECT s.site_id, s.code AS site, s.name AS site_name, s.latitude, s.longitude, x.position, lower(x.period) AS start,
           upper(x.period) AS finish
    FROM deployment x JOIN site s USING (site_id)
    WHERE x.device_id = d.device_id AND (%(reach)s::text <> 'sites' OR s.host_id = %(organisation_id)s::int)
    ORDER BY lower(x.period) <= %(now)s::timestamptz DESC, lower(x.period) DESC LIMIT 1) p ON true
WHERE CASE %(reach)s::text
      WHEN 'any' THEN true
      WHEN 'sites' THEN p.site_id IS NOT NULL
      WHEN 'own' THEN CASE %(party)s::text WHEN 'host' THEN t.host_id WHEN 'company' THEN t.company_id WHEN 'evaluator' THEN t.evaluator_id END
           = %(organisation_id)s::int
      ELSE false END
  AND (%(trial)s::text IS NULL OR t.code = %(trial)s::text) AND (%(device)s::text IS NULL OR d.code = %(device)s::text)
  AND (%(site)s::text IS NULL OR p.site = %(site)s::text)
  AND (%(device_ids)s::int[] IS NULL OR d.device_id = ANY(%(device_ids)s::int[]))
ORDER BY t.code, d.code;

-- name: contacts
-- Signs of life of all devices, which the live stream compares with its last look.
SELECT device_id, last_seen_at, state_at FROM device_contact;

-- name: status_log
-- Statuses of a device, newest first.
SELECT at, state, battery, rssi, snr, firmware, uptime, note FROM device_status WHERE device_id = %(device_id)s::int
ORDER BY at DESC LIMIT %(most)s::int;
