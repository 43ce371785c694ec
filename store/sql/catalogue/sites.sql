-- name: add_site
-- A site of a host.
INSERT INTO site (code, host_id, name, kind, latitude, longitude)
SELECT %(code)s::text, organisation_id, %(name)s::text, %(kind)s::text, %(latitude)s::float8, %(longitude)s::float8
FROM organisation WHERE code = %(host)s::text AND kind = 'host' RETURNING site_id;

-- name: sites_of_trial
-- Sites where devices of a trial are or were deployed.
SELECT DISTINCT s.site_id, s.code, s.name, s.kind, s.latitude, s.longitude FROM site s JOIN deployment p USING (site_id)
JOIN device d USING (device_id) JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text ORDER BY s.code;

-- name: sites_of_host
-- Sites of a host, or all; only one if a code is given. `devices` stand there now.
SELECT s.site_id, s.code, s.name, s.kind, s.latitude, s.longitude, s.host_id, o.code AS host, o.name AS host_name,
       (SELECT count(*) FROM deployment p WHERE p.site_id = s.site_id AND p.period @> %(now)s::timestamptz)::int AS devices
FROM site s JOIN organisation o ON o.organisation_id = s.host_id
WHERE (%(host_id)s::int IS NULL OR s.host_id = %(host_id)s::int) AND (%(code)s::text IS NULL OR s.code = %(code)s::text)
ORDER BY o.code, s.code;

-- name: possible_sites
-- Sites of the host of a trial, and others where devices of it are or were deployed.
SELECT s.site_id, s.code, s.name, s.kind, s.latitude, s.longitude FROM site s CROSS JOIN trial t
WHERE t.code = %(trial)s::text AND (s.host_id = t.host_id OR EXISTS (
    SELECT FROM deployment p JOIN device d USING (device_id) WHERE p.site_id = s.site_id AND d.trial_id = t.trial_id))
ORDER BY s.code;
