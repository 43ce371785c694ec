-- name: add_property
-- A property with its unit and averaging scale.
INSERT INTO observed_property (code, name, unit, averaging_scale)
VALUES (%(code)s::text, %(name)s::jsonb, %(unit)s::text, %(averaging_scale)s::text) RETURNING property_id;

-- name: name_scale
-- Another averaging scale for a property that was registered without a word about it; returns nothing if it names one already.
UPDATE observed_property SET averaging_scale = %(averaging_scale)s::text
WHERE code = %(code)s::text AND averaging_scale = 'arithmetic' RETURNING property_id;

-- name: properties
-- All observed properties.
SELECT property_id, code, name, unit, averaging_scale FROM observed_property ORDER BY code;
