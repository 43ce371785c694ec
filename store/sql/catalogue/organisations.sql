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
