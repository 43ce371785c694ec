-- name: add_topic
-- A fixed topic of a device.
INSERT INTO fixed_topic (topic, device_id, suffix, field, created_at)
VALUES (%(topic)s::text, %(device_id)s::int, %(suffix)s::text, %(field)s::text, %(now)s::timestamptz);

-- name: change_topic
-- How its messages are read from now on.
UPDATE fixed_topic SET suffix = %(suffix)s::text, field = %(field)s::text WHERE topic = %(topic)s::text;

-- name: withdraw_topic
-- Take it from its device.
DELETE FROM fixed_topic WHERE topic = %(topic)s::text;

-- name: move_topics
-- Give the topics of a device to the one that takes its place.
UPDATE fixed_topic SET device_id = %(new_device_id)s::int WHERE device_id = %(old_device_id)s::int RETURNING topic;

-- name: topics
-- Fixed topics: all, those of a trial, or one.
SELECT f.topic, t.code AS trial, d.code AS device, f.suffix, f.field, topic_is_heard(f.topic) AS heard, f.created_at
FROM fixed_topic f JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE (%(trial)s::text IS NULL OR t.code = %(trial)s::text) AND (%(topic)s::text IS NULL OR f.topic = %(topic)s::text)
ORDER BY t.code, d.code, f.topic;
