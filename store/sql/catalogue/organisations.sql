-- name: add_organisation
-- A new organisation.
INSERT INTO organisation (code, name, kind, created_at)
VALUES (%(code)s::text, %(name)s::text, %(kind)s::text, %(now)s::timestamptz) RETURNING organisation_id;

-- name: organisation_by_code
-- One organisation.
SELECT organisation_id, code, name, kind FROM organisation WHERE code = %(code)s::text;

-- name: add_need
-- A need of a host.
INSERT INTO need (code, host_id, title, description, created_at)
SELECT %(code)s::text, organisation_id, %(title)s::jsonb, %(description)s::jsonb, %(now)s::timestamptz
FROM organisation WHERE code = %(host)s::text AND kind = 'host' RETURNING need_id;

-- name: organisations_entered
-- Every organisation.
SELECT organisation_id, code, name, kind FROM organisation ORDER BY kind, code;

-- name: needs
-- Every need with its host.
SELECT n.need_id, n.code, o.code AS host, o.name AS host_name, n.title, n.description
FROM need n JOIN organisation o ON o.organisation_id = n.host_id ORDER BY n.code;
