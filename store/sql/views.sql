-- name: list_views
-- The pages that a person keeps, in the person's own order.
SELECT saved_view_id, name, address, place FROM saved_view WHERE person_id = %(person_id)s::int ORDER BY place, saved_view_id;

-- name: hold_person
-- One change of a person's views at a time.
SELECT person_id FROM person WHERE person_id = %(person_id)s::int FOR UPDATE;

-- name: add_view
-- Another one, at the end.
INSERT INTO saved_view (person_id, name, address, place)
SELECT %(person_id)s::int, %(name)s::text, %(address)s::text, coalesce(max(place), 0) + 1
FROM saved_view WHERE person_id = %(person_id)s::int RETURNING saved_view_id;

-- name: set_view
-- Its name and its place.
UPDATE saved_view SET name = %(name)s::text, place = %(place)s::int
WHERE person_id = %(person_id)s::int AND saved_view_id = %(saved_view_id)s::int;

-- name: remove_view
-- It is kept no longer.
DELETE FROM saved_view WHERE person_id = %(person_id)s::int AND saved_view_id = %(saved_view_id)s::int;
