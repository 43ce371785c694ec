-- name: find_login
-- The person of a login, and the password hash to compare; the hash is null for a person without a password.
SELECT person_id, login, password_hash FROM person WHERE login = %(login)s::text AND disabled_at IS NULL;

-- name: begin_session
-- A session, unless the person was disabled or the password changed since it was compared. Expired sessions are removed.
WITH old AS (DELETE FROM signed_in WHERE expires_at < clock_timestamp()),
     own AS (UPDATE person SET last_sign_in_at = clock_timestamp()
             WHERE person_id = %(person_id)s::int AND disabled_at IS NULL
               AND password_hash IS NOT DISTINCT FROM %(password_hash)s::text
             RETURNING person_id)
INSERT INTO signed_in (token_sha256, person_id, expires_at, browser, address, id_token)
SELECT %(token_sha256)s::bytea, person_id, clock_timestamp() + %(lifetime)s::interval, %(browser)s::text, %(address)s::text,
       %(id_token)s::text
FROM own RETURNING session_id;

-- name: touch_sessions
-- When these sessions were last used, at most one write a minute.
UPDATE signed_in SET last_used_at = clock_timestamp()
WHERE token_sha256 = ANY(%(tokens_sha256)s::bytea[]) AND last_used_at < clock_timestamp() - interval '1 minute';

-- name: list_sessions
-- The sessions of a person, the one used last first.
SELECT session_id, token_sha256, browser, address, created_at, last_used_at, expires_at FROM signed_in
WHERE person_id = %(person_id)s::int AND NOT wants_code AND expires_at > clock_timestamp() ORDER BY last_used_at DESC, session_id DESC;

-- name: end_session
-- End one session of a person.
DELETE FROM signed_in WHERE person_id = %(person_id)s::int AND session_id = %(session_id)s::bigint;

-- name: end_sessions
-- End the sessions of a person, except one.
DELETE FROM signed_in WHERE person_id = %(person_id)s::int AND token_sha256 IS DISTINCT FROM %(but)s::bytea;

-- name: drop_invitations
-- Open links of a person work no longer.
DELETE FROM invitation WHERE person_id = %(person_id)s::int AND used_at IS NULL;

-- name: add_invitation
-- A link for a person.
INSERT INTO invitation (token_sha256, person_id, purpose, created_by, expires_at)
VALUES (%(token_sha256)s::bytea, %(person_id)s::int, %(purpose)s::text, %(created_by)s::text,
        clock_timestamp() + %(lifetime)s::interval);

-- name: find_invitation
-- The person of a link that still works, with how many walls show devices with that person's rights.
SELECT i.purpose, p.person_id, p.login, p.name, p.language, o.name AS organisation,
       (SELECT count(*) FROM wall_link w
        WHERE w.person_id = p.person_id AND w.ended_at IS NULL AND w.expires_at > clock_timestamp()) AS walls
FROM invitation i JOIN person p USING (person_id) JOIN organisation o USING (organisation_id)
WHERE i.token_sha256 = %(token_sha256)s::bytea AND i.used_at IS NULL AND i.expires_at > clock_timestamp() AND p.disabled_at IS NULL;

-- name: use_invitation
-- A link is used; no row if another request was faster.
UPDATE invitation SET used_at = clock_timestamp()
WHERE token_sha256 = %(token_sha256)s::bytea AND used_at IS NULL AND expires_at > clock_timestamp() RETURNING person_id;

-- name: set_password
-- Another password.
UPDATE person SET password_hash = %(password_hash)s::text WHERE person_id = %(person_id)s::int AND disabled_at IS NULL;

-- name: set_profile
-- The name and the language of a person.
UPDATE person SET name = %(name)s::text, language = %(language)s::text WHERE person_id = %(person_id)s::int;

-- name: password_of_person
-- The password hash of a person, to compare before it changes.
SELECT password_hash FROM person WHERE person_id = %(person_id)s::int AND disabled_at IS NULL;

-- name: active_lab_people
-- People of the lab who can sign in, locked so that two of them cannot disable each other at the same moment.
SELECT p.person_id FROM person p
WHERE p.role = 'lab' AND p.disabled_at IS NULL AND (p.password_hash IS NOT NULL OR p.issuer IS NOT NULL)
ORDER BY p.person_id FOR UPDATE OF p;

-- name: disable_person
-- A person who left.
UPDATE person SET disabled_at = %(at)s::timestamptz WHERE person_id = %(person_id)s::int AND disabled_at IS NULL;

-- name: enable_person
-- A person who is back.
UPDATE person SET disabled_at = NULL WHERE person_id = %(person_id)s::int AND disabled_at IS NOT NULL;

-- name: set_manages
-- Whether a person manages the people of the own organisation.
UPDATE person SET manages_people = %(manages)s::boolean
WHERE person_id = %(person_id)s::int AND manages_people IS DISTINCT FROM %(manages)s::boolean;

-- name: manages
-- Whether a person manages the people of the own organisation.
SELECT EXISTS (SELECT FROM person WHERE person_id = %(person_id)s::int AND manages_people AND disabled_at IS NULL);

-- name: members
-- People as their managers see them: of one organisation, or of all; or one person.
SELECT p.person_id, p.login, p.name, o.code AS organisation, o.name AS organisation_name, p.organisation_id, o.kind, p.language,
       p.created_at, p.disabled_at, p.last_sign_in_at, p.role, p.manages_people,
       p.password_hash IS NOT NULL OR p.issuer IS NOT NULL AS is_active, p.issuer IS NOT NULL AS is_linked,
       EXISTS (SELECT FROM second_factor f WHERE f.person_id = p.person_id AND f.confirmed_at IS NOT NULL) AS has_factor,
       (SELECT max(i.expires_at) FROM invitation i
        WHERE i.person_id = p.person_id AND i.used_at IS NULL AND i.expires_at > clock_timestamp()) AS link_until,
       (SELECT count(*)::int FROM signed_in s
        WHERE s.person_id = p.person_id AND NOT s.wants_code AND s.expires_at > clock_timestamp()) AS sessions
FROM person p JOIN organisation o USING (organisation_id)
WHERE (%(organisation_id)s::int IS NULL OR p.organisation_id = %(organisation_id)s::int)
  AND (%(login)s::text IS NULL OR p.login = %(login)s::text)
ORDER BY o.name, p.login;

-- name: organisations
-- Organisations that can have people: one, or all.
SELECT organisation_id, code, name, kind FROM organisation
WHERE %(organisation_id)s::int IS NULL OR organisation_id = %(organisation_id)s::int ORDER BY name, code;

-- name: unseen
-- People who can sign in and have not for some time: since they last did, or since they were entered.
SELECT login FROM person
WHERE disabled_at IS NULL AND (password_hash IS NOT NULL OR issuer IS NOT NULL)
  AND coalesce(last_sign_in_at, created_at) < clock_timestamp() - %(span)s::interval ORDER BY login;

-- name: keep_fact
-- A fact that is made once: the first one stays.
INSERT INTO installation (name, content) VALUES (%(name)s::text, %(content)s::text) ON CONFLICT (name) DO NOTHING;
