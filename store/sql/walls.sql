-- name: list_walls
-- The walls that a person made and did not end, newest first; those that are over stay for 30 days.
SELECT w.wall_link_id, w.name, w.trials, w.sites, w.language, w.created_at, w.expires_at, w.last_opened_at,
       w.expires_at > clock_timestamp() AS works
FROM wall_link w
WHERE w.person_id = %(person_id)s::int AND w.ended_at IS NULL AND w.expires_at > clock_timestamp() - interval '30 days'
ORDER BY w.wall_link_id DESC;

-- name: list_all_walls
-- The walls of everybody in one organisation, or in all, that were not ended; newest first.
SELECT w.wall_link_id, w.name, w.trials, w.sites, w.created_at, w.expires_at, w.last_opened_at, p.login, p.name AS person,
       o.name AS organisation, w.expires_at > clock_timestamp() AND p.disabled_at IS NULL AS works
FROM wall_link w JOIN person p USING (person_id) JOIN organisation o USING (organisation_id)
WHERE w.ended_at IS NULL AND w.expires_at > clock_timestamp() - interval '30 days'
  AND (%(organisation_id)s::int IS NULL OR p.organisation_id = %(organisation_id)s::int)
ORDER BY w.wall_link_id DESC;

-- name: find_wall
-- The wall with that secret, with the person whose rights it has now.
SELECT w.wall_link_id, w.name AS wall, w.trials, w.sites, w.expires_at, w.last_opened_at IS NULL AS is_new,
       coalesce(w.last_opened_at < clock_timestamp() - interval '1 minute', true) AS is_due,
       p.person_id, p.login, p.name, w.language, p.role, o.organisation_id, o.name AS organisation, true AS has_factor
FROM wall_link w JOIN person p USING (person_id) JOIN organisation o USING (organisation_id)
WHERE w.token_sha256 = %(token_sha256)s::bytea AND w.ended_at IS NULL AND w.expires_at > clock_timestamp()
  AND p.disabled_at IS NULL;

-- name: add_wall
-- Another wall of a person.
INSERT INTO wall_link (token_sha256, person_id, name, trials, sites, language, expires_at)
VALUES (%(token_sha256)s::bytea, %(person_id)s::int, %(name)s::text, %(trials)s::text[], %(sites)s::text[], %(language)s::text,
        clock_timestamp() + %(lifetime)s::interval) RETURNING wall_link_id;

-- name: touch_wall
-- When a screen last asked.
UPDATE wall_link SET last_opened_at = clock_timestamp() WHERE wall_link_id = %(wall_link_id)s::int;

-- name: end_wall
-- Its address shows nothing any more.
UPDATE wall_link SET ended_at = clock_timestamp()
WHERE wall_link_id = %(wall_link_id)s::int AND person_id = %(person_id)s::int AND ended_at IS NULL;

-- name: end_any_wall
-- The wall of somebody in one organisation, or in any, shows nothing any more.
UPDATE wall_link w SET ended_at = clock_timestamp() FROM person p
WHERE w.wall_link_id = %(wall_link_id)s::int AND w.ended_at IS NULL AND p.person_id = w.person_id
  AND (%(organisation_id)s::int IS NULL OR p.organisation_id = %(organisation_id)s::int)
RETURNING p.login;

-- name: end_walls
-- All walls of a person show nothing any more.
UPDATE wall_link SET ended_at = clock_timestamp() WHERE person_id = %(person_id)s::int AND ended_at IS NULL;
