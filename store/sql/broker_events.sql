-- name: count_events
-- Add events of the broker to the row of their credential, hour and kind. A name that is no credential counts as unknown, so
-- that there are at most as many rows as credentials.
INSERT INTO broker_event AS b (username, hour, kind, events, first_at, last_at, last_topic, by_other)
SELECT CASE WHEN EXISTS (SELECT FROM credential c WHERE c.username = x.username) THEN x.username ELSE '' END AS username,
       date_trunc('hour', x.at, 'UTC') AS hour, x.kind, sum(x.events), min(x.at), max(x.at),
       (array_agg(x.last ORDER BY x.at DESC))[1], bool_or(x.by_other)
FROM unnest(%(usernames)s::text[], %(kinds)s::text[], %(at)s::timestamptz[], %(events)s::bigint[], %(last)s::text[], %(by_other)s::boolean[])
     AS x(username, kind, at, events, last, by_other)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
ON CONFLICT (username, hour, kind) DO UPDATE SET events = b.events + excluded.events, last_at = greatest(b.last_at, excluded.last_at),
    last_topic = excluded.last_topic, by_other = b.by_other OR excluded.by_other;

-- name: begin_log
-- A log that is read for the first time.
INSERT INTO broker_log (path, inode, offset_bytes, read_at) VALUES (%(path)s::text, 0, 0, clock_timestamp()) ON CONFLICT (path) DO NOTHING;

-- name: hold_log
-- How far it was read; locked.
SELECT inode, offset_bytes FROM broker_log WHERE path = %(path)s::text FOR UPDATE;

-- name: move_log
-- How far it is read now.
UPDATE broker_log SET inode = %(inode)s::bigint, offset_bytes = %(offset)s::bigint, read_at = clock_timestamp(),
    missed = missed OR %(missed)s::boolean WHERE path = %(path)s::text;

-- name: logs
-- The logs that are read, newest reading first.
SELECT path, extract(epoch FROM clock_timestamp() - read_at)::float8 AS age_s, missed FROM broker_log ORDER BY read_at DESC;

-- name: event_sums
-- Events of the last hours, by credential and kind.
SELECT b.username, t.code AS trial, d.code AS device, b.kind, sum(b.events)::bigint AS events, min(b.first_at) AS first_at,
       max(b.last_at) AS last_at, (array_agg(b.last_topic ORDER BY b.last_at DESC))[1] AS last_topic, bool_or(b.by_other) AS by_other,
       max(b.events) AS most_an_hour
FROM broker_event b LEFT JOIN credential c USING (username) LEFT JOIN device d USING (device_id) LEFT JOIN trial t USING (trial_id)
WHERE b.last_at > clock_timestamp() - %(within)s::interval
  AND (%(trials)s::text[] IS NULL OR t.code = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR t.code || '/' || d.code = ANY(%(devices)s::text[]))
GROUP BY b.username, t.code, d.code, b.kind ORDER BY events DESC, b.username, b.kind;

-- name: device_events
-- The same for the credentials of one device together.
SELECT min(b.username) AS username, NULL::text AS trial, NULL::text AS device, b.kind, sum(b.events)::bigint AS events, min(b.first_at) AS first_at,
       max(b.last_at) AS last_at, (array_agg(b.last_topic ORDER BY b.last_at DESC))[1] AS last_topic, bool_or(b.by_other) AS by_other,
       max(b.events) AS most_an_hour
FROM broker_event b WHERE b.username = ANY(%(usernames)s::text[]) AND b.last_at > clock_timestamp() - %(within)s::interval
GROUP BY b.kind ORDER BY b.kind;

-- name: take_untold
-- Denied messages that a device was not told yet.
WITH due AS (
    SELECT b.username, b.hour, b.kind, b.told AS before, t.code AS trial, d.code AS device,
           ARRAY(SELECT f.topic FROM fixed_topic f WHERE f.device_id = d.device_id ORDER BY 1) AS topics
    FROM broker_event b JOIN credential c USING (username) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
    WHERE b.told < b.events AND b.kind = 'publish_denied' AND b.last_at > clock_timestamp() - interval '1 hour'
      AND (b.told_at IS NULL OR b.told_at < clock_timestamp() - interval '6 seconds')
    ORDER BY b.last_at LIMIT 200 FOR UPDATE OF b SKIP LOCKED)
UPDATE broker_event b SET told = b.events, told_at = clock_timestamp() FROM due
WHERE (b.username, b.hour, b.kind) = (due.username, due.hour, due.kind)
RETURNING due.trial, due.device, b.events - due.before AS events, b.last_at, b.last_topic, due.topics;

-- name: drop_old_events
-- Forget old events.
DELETE FROM broker_event WHERE last_at < clock_timestamp() - %(age)s::interval;
