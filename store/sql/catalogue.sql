-- name: add_organisation
-- A new organisation.
INSERT INTO organisation (code, name, kind, created_at)
VALUES (%(code)s::text, %(name)s::text, %(kind)s::text, %(now)s::timestamptz) RETURNING organisation_id;

-- name: organisation_by_code
-- One organisation.
SELECT organisation_id, code, name, kind FROM organisation WHERE code = %(code)s::text;

-- name: add_need
-- What a host is looking for.
INSERT INTO need (code, host_id, title, description, created_at)
SELECT %(code)s::text, organisation_id, %(title)s::jsonb, %(description)s::jsonb, %(now)s::timestamptz
FROM organisation WHERE code = %(host)s::text AND kind = 'host' RETURNING need_id;

-- name: add_site
-- A place of a host.
INSERT INTO site (code, host_id, name, kind, latitude, longitude)
SELECT %(code)s::text, organisation_id, %(name)s::text, %(kind)s::text, %(latitude)s::float8, %(longitude)s::float8
FROM organisation WHERE code = %(host)s::text AND kind = 'host' RETURNING site_id;

-- name: add_trial
-- A trial of a company at a host.
INSERT INTO trial (code, title, need_id, host_id, company_id, evaluator_id, time_zone, ends_at, created_at, shard_id)
SELECT %(code)s::text, %(title)s::jsonb, (SELECT need_id FROM need WHERE need.code = %(need)s::text), h.organisation_id,
       c.organisation_id, (SELECT organisation_id FROM organisation WHERE code = %(evaluator)s::text AND kind = 'evaluator'),
       %(time_zone)s::text, %(ends_at)s::timestamptz, %(now)s::timestamptz,
       (SELECT number FROM shard_count, generate_series(0, wanted - 1) AS number
        ORDER BY (SELECT count(*) FROM trial t WHERE t.shard_id = number), number LIMIT 1)
FROM organisation h, organisation c
WHERE h.code = %(host)s::text AND h.kind = 'host' AND c.code = %(company)s::text AND c.kind = 'company' RETURNING trial_id;

-- name: trials
-- Trials with the names of who takes part; one where a code is given.
SELECT t.trial_id, t.code, t.title, t.state, t.time_zone, t.ends_at, t.created_at, n.code AS need, h.name AS host,
       c.name AS company, e.name AS evaluator, t.host_id, t.company_id, t.evaluator_id
FROM trial t JOIN organisation h ON h.organisation_id = t.host_id JOIN organisation c ON c.organisation_id = t.company_id
LEFT JOIN organisation e ON e.organisation_id = t.evaluator_id LEFT JOIN need n USING (need_id)
WHERE %(code)s::text IS NULL OR t.code = %(code)s::text ORDER BY t.code;

-- name: set_trial_state
-- The next step of a trial's life; nothing where somebody else moved it first.
UPDATE trial SET state = %(to)s::text WHERE trial_id = %(trial_id)s::int AND state = %(from)s::text;

-- name: add_trial_step
-- Who moved the trial, when, why.
INSERT INTO trial_step (trial_id, from_state, to_state, at, by_login, note)
VALUES (%(trial_id)s::int, %(from)s::text, %(to)s::text, %(at)s::timestamptz, %(login)s::text, %(note)s::text);

-- name: trial_steps
-- The life of a trial so far.
SELECT from_state, to_state, at, by_login, note FROM trial_step WHERE trial_id = %(trial_id)s::int ORDER BY at, trial_step_id;

-- name: add_property
-- What can be observed, its unit, and on which scale it is averaged.
INSERT INTO observed_property (code, name, unit, averaging_scale)
VALUES (%(code)s::text, %(name)s::jsonb, %(unit)s::text, %(averaging_scale)s::text) RETURNING property_id;

-- name: properties
-- All observed properties.
SELECT property_id, code, name, unit, averaging_scale FROM observed_property ORDER BY code;

-- name: add_device
-- A device of a trial.
INSERT INTO device (trial_id, code, name, model, serial, created_at)
SELECT trial_id, %(code)s::text, %(name)s::text, %(model)s::text, %(serial)s::text, %(now)s::timestamptz
FROM trial WHERE code = %(trial)s::text RETURNING device_id;

-- name: find_device
-- One device by trial and code.
SELECT d.device_id, d.trial_id, t.code AS trial, d.code, d.name, d.model, d.serial, d.created_at, d.retired_at
FROM device d JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text AND d.code = %(device)s::text;

-- name: retire_device
-- From then on its messages are refused.
UPDATE device SET retired_at = %(at)s::timestamptz WHERE device_id = %(device_id)s::int AND retired_at IS NULL;

-- name: add_sensor
-- What measures inside a device.
INSERT INTO sensor (device_id, make, model, serial, calibrated_at, calibration)
VALUES (%(device_id)s::int, %(make)s::text, %(model)s::text, %(serial)s::text, %(calibrated_at)s::timestamptz,
        %(calibration)s::text) RETURNING sensor_id;

-- name: deploy
-- A device at a position of a site, from then on.
INSERT INTO deployment (device_id, site_id, position, period)
SELECT %(device_id)s::int, site_id, %(position)s::text, tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)')
FROM site WHERE code = %(site)s::text RETURNING deployment_id;

-- name: open_deployment
-- Where a device stands now.
SELECT s.code AS site, p.position, lower(p.period) AS start FROM deployment p JOIN site s USING (site_id)
WHERE p.device_id = %(device_id)s::int AND upper_inf(p.period);

-- name: end_deployment
-- The device leaves its place.
UPDATE deployment SET period = tstzrange(lower(period), %(at)s::timestamptz, '[)')
WHERE device_id = %(device_id)s::int AND upper_inf(period) AND lower(period) < %(at)s::timestamptz;

-- name: add_datastream
-- What a device sends under one name.
INSERT INTO datastream (device_id, sensor_id, property_id, name, unit, scale, shift, role, result_type, expected_interval)
SELECT %(device_id)s::int, %(sensor_id)s::int, property_id, %(name)s::text, %(unit)s::text, %(scale)s::float8, %(shift)s::float8,
       %(role)s::text, %(result_type)s::text, %(expected_interval)s::interval
FROM observed_property WHERE code = %(property)s::text RETURNING datastream_id;

-- name: add_window
-- Maintenance, access or incident, for exactly one of trial, site, device.
INSERT INTO declared_window (kind, trial_id, site_id, device_id, period, reason, declared_by, declared_at)
VALUES (%(kind)s::text, (SELECT trial_id FROM trial WHERE code = %(trial)s::text),
        (SELECT site_id FROM site WHERE code = %(site)s::text), %(device_id)s::int,
        tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)'), %(reason)s::text, %(declared_by)s::text,
        %(declared_at)s::timestamptz) RETURNING window_id;

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

-- name: version
-- Moves with every change of what ingest must know.
SELECT version FROM catalogue_version;

-- name: snapshot_devices
-- Every device with its trial.
SELECT d.device_id, t.code AS trial, d.code AS device, d.retired_at FROM device d JOIN trial t USING (trial_id);

-- name: snapshot_deployments
-- Every deployment.
SELECT device_id, lower(period) AS start, upper(period) AS end FROM deployment ORDER BY device_id, lower(period);

-- name: snapshot_datastreams
-- Every datastream.
SELECT datastream_id, device_id, name, unit, scale, shift, result_type,
       (extract(epoch FROM expected_interval) * 1000000)::int8 AS interval_us,
       expected_interval IS NOT NULL AND NOT interval_reported AS interval_declared FROM datastream;

-- name: snapshot_conversions
-- Factors from the units that messages may name to those of datastreams.
SELECT unit, sent, scale, shift FROM unit_conversion;

-- name: snapshot_addresses
-- Which device an address at a network server is.
SELECT a.address, t.code AS trial, d.code AS device FROM network_address a JOIN device d USING (device_id) JOIN trial t USING (trial_id);

-- name: network_server
-- One that speaks for many devices.
SELECT network_server_id, code, kind FROM network_server WHERE code = %(code)s::text;

-- name: addresses
-- The devices of a network server, or what an address is.
SELECT a.address, n.code AS network_server, t.code AS trial, d.code AS device FROM network_address a
JOIN network_server n USING (network_server_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE (n.code = %(network_server)s::text OR a.address = %(address)s::text) ORDER BY a.address;

-- name: add_network_server
-- One that speaks for many devices.
INSERT INTO network_server (code, kind, created_at) VALUES (%(code)s::text, %(kind)s::text, %(now)s::timestamptz)
RETURNING network_server_id;

-- name: add_address
-- A device by its name at a network server.
INSERT INTO network_address (address, network_server_id, device_id)
SELECT %(address)s::text, network_server_id, %(device_id)s::int FROM network_server
WHERE code = %(network_server)s::text AND starts_with(%(address)s::text, kind || '/');

-- name: snapshot_trials
-- Every trial's code.
SELECT code FROM trial;

-- name: sites_of_trial
-- Sites where devices of a trial stand or stood.
SELECT DISTINCT s.site_id, s.code, s.name, s.kind, s.latitude, s.longitude FROM site s JOIN deployment p USING (site_id)
JOIN device d USING (device_id) JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text ORDER BY s.code;

-- name: datastreams_of_trial
-- Datastreams of a trial with property, sensor and device.
SELECT m.datastream_id, m.device_id, d.code AS device, m.name, p.code AS property, p.unit, m.unit AS sent_unit, m.role, m.scale,
       m.shift, p.averaging_scale,
       CASE WHEN NOT m.interval_reported THEN extract(epoch FROM m.expected_interval)::float8 END AS expected_interval_s,
       coalesce(s.make || ' ' || s.model, '') AS sensor, s.serial AS sensor_serial, s.calibrated_at, d.retired_at
FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
JOIN observed_property p USING (property_id) LEFT JOIN sensor s USING (sensor_id)
WHERE t.code = %(trial)s::text ORDER BY d.code, m.name;

-- name: deployments_of_trial
-- Deployments of a trial in order.
SELECT p.device_id, d.code AS device, s.code AS site, p.position, lower(p.period) AS start, upper(p.period) AS end
FROM deployment p JOIN device d USING (device_id) JOIN trial t USING (trial_id) JOIN site s USING (site_id)
WHERE t.code = %(trial)s::text ORDER BY lower(p.period), d.code;
