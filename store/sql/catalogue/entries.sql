-- name: organisation_entry
-- The stored fields of an organisation.
SELECT jsonb_build_object('name', name, 'kind', kind) FROM organisation WHERE code = %(code)s::text FOR UPDATE;

-- name: person_entry
-- The stored fields of a person.
SELECT jsonb_build_object('name', p.name, 'language', p.language, 'role', p.role, 'organisation', o.code)
FROM person p JOIN organisation o USING (organisation_id) WHERE p.login = %(code)s::text FOR UPDATE OF p;

-- name: site_entry
-- The stored fields of a site.
SELECT jsonb_build_object('name', s.name, 'kind', s.kind, 'latitude', s.latitude, 'longitude', s.longitude, 'host', o.code)
FROM site s JOIN organisation o ON o.organisation_id = s.host_id WHERE s.code = %(code)s::text FOR UPDATE OF s;

-- name: property_entry
-- The stored fields of a property.
SELECT jsonb_build_object('name', name, 'unit', unit) FROM observed_property WHERE code = %(code)s::text FOR UPDATE;

-- name: need_entry
-- The stored fields of a need.
SELECT jsonb_build_object('title', n.title, 'description', n.description, 'host', o.code)
FROM need n JOIN organisation o ON o.organisation_id = n.host_id WHERE n.code = %(code)s::text FOR UPDATE OF n;

-- name: trial_entry
-- The stored fields of a trial, and whether a protocol is locked.
SELECT jsonb_build_object('title', t.title, 'host', h.code, 'company', c.code, 'evaluator', e.code, 'need', n.code,
                          'time_zone', t.time_zone, 'ends_at', t.ends_at,
                          'is_locked', EXISTS (SELECT FROM protocol p WHERE p.trial_id = t.trial_id AND p.locked_at IS NOT NULL))
FROM trial t JOIN organisation h ON h.organisation_id = t.host_id JOIN organisation c ON c.organisation_id = t.company_id
LEFT JOIN organisation e ON e.organisation_id = t.evaluator_id LEFT JOIN need n USING (need_id)
WHERE t.code = %(code)s::text FOR UPDATE OF t;

-- name: device_entry
-- The stored fields of a device, `trial/device`.
SELECT jsonb_build_object('name', d.name, 'model', d.model, 'serial', d.serial) FROM device d JOIN trial t USING (trial_id)
WHERE t.code || '/' || d.code = %(code)s::text FOR UPDATE OF d;

-- name: network_server_entry
-- The stored fields of a network server.
SELECT jsonb_build_object('kind', kind) FROM network_server WHERE code = %(code)s::text FOR UPDATE;

-- name: versions
-- Code and version of each entry of a kind that people change; any change of an entry makes another version.
SELECT code, xmin::text AS version FROM organisation WHERE %(entries)s::text = 'organisation'
UNION ALL SELECT code, xmin::text FROM site WHERE %(entries)s::text = 'site'
UNION ALL SELECT code, xmin::text FROM observed_property WHERE %(entries)s::text = 'property'
UNION ALL SELECT code, xmin::text FROM need WHERE %(entries)s::text = 'need'
UNION ALL SELECT code, xmin::text FROM trial WHERE %(entries)s::text = 'trial'
UNION ALL SELECT window_id::text, xmin::text FROM declared_window WHERE %(entries)s::text = 'window';

-- name: amend_organisation
-- Changed fields of an organisation.
UPDATE organisation SET name = %(name)s::text WHERE code = %(code)s::text;

-- name: amend_person
-- Changed fields of a person.
UPDATE person SET name = %(name)s::text, language = %(language)s::text, role = %(role)s::text WHERE login = %(code)s::text;

-- name: amend_site
-- Changed fields of a site.
UPDATE site SET name = %(name)s::text, kind = %(kind)s::text, latitude = %(latitude)s::float8, longitude = %(longitude)s::float8
WHERE code = %(code)s::text;

-- name: amend_property
-- Changed fields of a property.
UPDATE observed_property SET name = %(name)s::jsonb WHERE code = %(code)s::text;

-- name: amend_need
-- Changed fields of a need.
UPDATE need SET title = %(title)s::jsonb, description = %(description)s::jsonb WHERE code = %(code)s::text;

-- name: amend_trial
-- Changed fields of a trial.
UPDATE trial SET title = %(title)s::jsonb, time_zone = %(time_zone)s::text, ends_at = %(ends_at)s::timestamptz,
    need_id = (SELECT need_id FROM need WHERE need.code = %(need)s::text),
    evaluator_id = (SELECT organisation_id FROM organisation o WHERE o.code = %(evaluator)s::text AND o.kind = 'evaluator')
WHERE code = %(code)s::text AND (%(need)s::text IS NULL OR EXISTS (SELECT FROM need WHERE need.code = %(need)s::text))
  AND (%(evaluator)s::text IS NULL
       OR EXISTS (SELECT FROM organisation o WHERE o.code = %(evaluator)s::text AND o.kind = 'evaluator'));

-- name: amend_device
-- Changed fields of a device, `trial/device`.
UPDATE device d SET name = %(name)s::text, model = %(model)s::text, serial = %(serial)s::text FROM trial t
WHERE t.trial_id = d.trial_id AND t.code || '/' || d.code = %(code)s::text;

-- name: touch_credentials
-- A trial ends at another time: the broker reads the credentials again.
UPDATE broker_state SET wanted = wanted + 1;
