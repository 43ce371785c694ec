-- name: people
-- Everybody who can or could sign in, by login; never the password hash.
SELECT p.login, p.name, o.code AS organisation, p.role, p.language, p.created_at, p.disabled_at
FROM person p JOIN organisation o USING (organisation_id) ORDER BY p.login;
