-- name: add_plan
-- A plan of a site.
INSERT INTO site_plan (site_id, name, rank, image, sha256, width, height, changed_at, changed_by)
SELECT site_id, %(name)s::text, %(rank)s::int, %(image)s::bytea, %(sha256)s::text, %(width)s::int, %(height)s::int, %(now)s::timestamptz,
       %(login)s::text FROM site WHERE code = %(site)s::text RETURNING site_plan_id;

-- name: plans_of_site
-- Plans of a site in their order, or one of them, or those of every site; without the pictures.
SELECT p.site_plan_id AS plan_id, s.code AS site, p.name, p.rank, p.sha256, p.width, p.height, p.changed_at, p.changed_by,
       p.xmin::text AS version
FROM site_plan p JOIN site s USING (site_id)
WHERE (%(site)s::text IS NULL OR s.code = %(site)s::text)
  AND (%(plan_id)s::int IS NULL OR p.site_plan_id = %(plan_id)s::int)
ORDER BY p.rank, p.name, p.site_plan_id;

-- name: image_of_plan
-- The picture of a plan.
SELECT image FROM site_plan WHERE site_plan_id = %(plan_id)s::int;

-- name: hold_site
-- One writer of a site's plans at a time.
SELECT site_id FROM site WHERE code = %(site)s::text FOR UPDATE;

-- name: change_plan
-- Another name or another place in the order.
UPDATE site_plan SET name = %(name)s::text, rank = %(rank)s::int, changed_at = %(now)s::timestamptz, changed_by = %(login)s::text
WHERE site_plan_id = %(plan_id)s::int;

-- name: change_image
-- Another picture; the places stay.
UPDATE site_plan SET image = %(image)s::bytea, sha256 = %(sha256)s::text, width = %(width)s::int, height = %(height)s::int,
    changed_at = %(now)s::timestamptz, changed_by = %(login)s::text WHERE site_plan_id = %(plan_id)s::int;

-- name: remove_plan
-- A plan with all places on it.
DELETE FROM site_plan WHERE site_plan_id = %(plan_id)s::int;

-- name: places_of_site
-- Where the devices that are at a site now are on its plans.
SELECT p.device_id, l.site_plan_id AS plan_id, l.x, l.y, l.placed_at, l.placed_by, l.xmin::text AS version
FROM plan_place l JOIN deployment p USING (deployment_id) JOIN site_plan n USING (site_plan_id) JOIN site s ON s.site_id = n.site_id
WHERE s.code = %(site)s::text AND p.site_id = s.site_id AND p.period @> %(now)s::timestamptz ORDER BY p.device_id;

-- name: hold_deployment
-- The deployment of a device at a site now, locked.
SELECT p.deployment_id FROM deployment p JOIN site s USING (site_id)
WHERE p.device_id = %(device_id)s::int AND s.code = %(site)s::text AND p.period @> %(now)s::timestamptz FOR UPDATE OF p;

-- name: put_place
-- A place on a plan; a deployment has one alone.
INSERT INTO plan_place (deployment_id, site_plan_id, x, y, placed_at, placed_by)
VALUES (%(deployment_id)s::int, %(plan_id)s::int, %(x)s::float8, %(y)s::float8, %(now)s::timestamptz, %(login)s::text)
ON CONFLICT (deployment_id) DO UPDATE SET site_plan_id = excluded.site_plan_id, x = excluded.x, y = excluded.y,
    placed_at = excluded.placed_at, placed_by = excluded.placed_by;

-- name: remove_place
-- The deployment has no place on a plan any more.
DELETE FROM plan_place WHERE deployment_id = %(deployment_id)s::int;
