-- name: deploy
-- Deploy a device at a position of a site from `start`.
INSERT INTO deployment (device_id, site_id, position, period)
SELECT %(device_id)s::int, site_id, %(position)s::text, tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)')
FROM site WHERE code = %(site)s::text RETURNING deployment_id;

-- name: open_deployment
-- Present place of a device.
SELECT s.code AS site, p.position, lower(p.period) AS start FROM deployment p JOIN site s USING (site_id)
WHERE p.device_id = %(device_id)s::int AND upper_inf(p.period);

-- name: end_deployment
-- End the device's present deployment.
UPDATE deployment SET period = tstzrange(lower(period), %(at)s::timestamptz, '[)')
WHERE device_id = %(device_id)s::int AND upper_inf(period) AND lower(period) < %(at)s::timestamptz;

-- name: deployments_of_trial
-- Deployments of a trial in order.
SELECT p.device_id, d.code AS device, s.code AS site, p.position, lower(p.period) AS start, upper(p.period) AS end
FROM deployment p JOIN device d USING (device_id) JOIN trial t USING (trial_id) JOIN site s USING (site_id)
WHERE t.code = %(trial)s::text ORDER BY lower(p.period), d.code;

-- name: correct_place
-- Correct the place of a deployment that was entered wrongly.
UPDATE deployment p SET site_id = s.site_id, position = %(position)s::text FROM site s
WHERE p.device_id = %(device_id)s::int AND lower(p.period) = %(start)s::timestamptz AND s.code = %(site)s::text;
