-- name: bearers
-- The people with whose rights these tokens read or act. A machine's token needs its person in its organisation, and
-- no second factor of that person, because no person holds it.
SELECT t.token_sha256, t.access_token_id, t.name AS token_name, t.scopes, p.person_id, p.login, p.name, p.language, p.role, o.organisation_id,
       o.name AS organisation, t.organisation_id IS NOT NULL
           OR EXISTS (SELECT FROM second_factor f WHERE f.person_id = p.person_id AND f.confirmed_at IS NOT NULL) AS has_factor
FROM access_token t JOIN person p USING (person_id) JOIN organisation o ON o.organisation_id = p.organisation_id
WHERE t.token_sha256 = ANY(%(tokens_sha256)s::bytea[]) AND t.ended_at IS NULL AND t.expires_at > clock_timestamp()
  AND 'read' = ANY(t.scopes) AND p.disabled_at IS NULL AND (t.organisation_id IS NULL OR t.organisation_id = p.organisation_id);

-- name: add_token
-- A token of a person, or of a machine of the person's organisation.
INSERT INTO access_token (token_sha256, person_id, organisation_id, name, scopes, created_by, expires_at)
SELECT %(token_sha256)s::bytea, person_id, CASE WHEN %(is_machine)s::boolean THEN organisation_id END, %(name)s::text,
       %(scopes)s::text[], %(created_by)s::text, clock_timestamp() + %(lifetime)s::interval
FROM person WHERE person_id = %(person_id)s::int AND disabled_at IS NULL RETURNING access_token_id;

-- name: list_tokens
-- Tokens that were not ended: those of a person, or the machines' of one organisation or of all; newest first.
SELECT t.access_token_id, t.name, t.scopes, p.login, p.person_id, o.name AS organisation, t.organisation_id, t.created_by, t.created_at,
       t.expires_at, t.last_used_at, t.expires_at > clock_timestamp() AND p.disabled_at IS NULL AS works
FROM access_token t JOIN person p USING (person_id) LEFT JOIN organisation o ON o.organisation_id = t.organisation_id
WHERE t.ended_at IS NULL AND t.expires_at > clock_timestamp() - interval '30 days'
  AND CASE WHEN %(person_id)s::int IS NOT NULL THEN t.person_id = %(person_id)s::int AND t.organisation_id IS NULL
      ELSE t.organisation_id IS NOT NULL AND (%(organisation_id)s::int IS NULL OR t.organisation_id = %(organisation_id)s::int) END
ORDER BY t.access_token_id DESC;

-- name: find_token
-- One token that was not ended.
SELECT t.access_token_id, t.name, t.scopes, p.login, p.person_id, o.name AS organisation, t.organisation_id, t.created_by, t.created_at,
       t.expires_at, t.last_used_at, t.expires_at > clock_timestamp() AND p.disabled_at IS NULL AS works
FROM access_token t JOIN person p USING (person_id) LEFT JOIN organisation o ON o.organisation_id = t.organisation_id
WHERE t.access_token_id = %(access_token_id)s::int AND t.ended_at IS NULL;

-- name: end_token
-- A token works no longer.
UPDATE access_token SET ended_at = clock_timestamp() WHERE access_token_id = %(access_token_id)s::int AND ended_at IS NULL;

-- name: end_tokens
-- A person's own tokens work no longer; the machines' wait for another person.
UPDATE access_token SET ended_at = clock_timestamp()
WHERE person_id = %(person_id)s::int AND organisation_id IS NULL AND ended_at IS NULL;

-- name: hand_over
-- Another person of the same organisation answers for a machine's token.
UPDATE access_token t SET person_id = p.person_id FROM person p
WHERE t.access_token_id = %(access_token_id)s::int AND t.ended_at IS NULL AND p.login = %(login)s::text
  AND p.organisation_id = t.organisation_id AND p.disabled_at IS NULL;

-- name: touch_token
-- When a token was last used, at most one write a minute.
UPDATE access_token SET last_used_at = clock_timestamp() WHERE access_token_id = %(access_token_id)s::int
  AND (last_used_at IS NULL OR last_used_at < clock_timestamp() - interval '1 minute');

-- name: note_address
-- A row if the token was never used from there, and from fewer than the most other places.
INSERT INTO access_token_address (access_token_id, address)
SELECT %(access_token_id)s::int, %(address)s::text
WHERE (SELECT count(*) FROM access_token_address WHERE access_token_id = %(access_token_id)s::int) < %(most)s::int
ON CONFLICT DO NOTHING;

-- name: ending_soon
-- Tokens in use that end within some time, the first one first.
SELECT t.name, p.login, t.expires_at FROM access_token t JOIN person p USING (person_id)
WHERE t.ended_at IS NULL AND p.disabled_at IS NULL
  AND t.expires_at BETWEEN clock_timestamp() AND clock_timestamp() + %(span)s::interval ORDER BY t.expires_at;
