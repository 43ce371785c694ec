-- name: readers
-- Everybody who can sign in.
SELECT p.person_id, p.login, p.name, p.language, p.role, o.organisation_id, o.name AS organisation, true AS has_factor
FROM person p JOIN organisation o USING (organisation_id) WHERE p.disabled_at IS NULL ORDER BY p.person_id;

-- name: organisation_code
-- The code of a person's organisation.
SELECT o.code FROM person p JOIN organisation o USING (organisation_id) WHERE p.person_id = %(person_id)s::int;

-- name: rules
-- Choices of people: of one person, or of everybody.
SELECT r.alert_rule_id, r.person_id, r.kind, r.trial_id, t.code AS trial, r.site_id, s.code AS site, s.name AS site_name, r.device_id,
       d.code AS device, dt.code AS device_trial, r.is_on, r.remind_hours
FROM alert_rule r LEFT JOIN trial t USING (trial_id) LEFT JOIN site s USING (site_id) LEFT JOIN device d USING (device_id)
LEFT JOIN trial dt ON dt.trial_id = d.trial_id
WHERE %(person_id)s::int IS NULL OR r.person_id = %(person_id)s::int ORDER BY r.alert_rule_id;

-- name: set_rule
-- A person's choice; a later one replaces it.
INSERT INTO alert_rule (person_id, kind, trial_id, site_id, device_id, is_on, remind_hours)
VALUES (%(person_id)s::int, %(kind)s::text, (SELECT trial_id FROM trial WHERE code = %(trial)s::text),
        (SELECT site_id FROM site WHERE code = %(site)s::text), %(device_id)s::int, %(is_on)s::boolean, %(remind_hours)s::int)
ON CONFLICT (person_id, kind, trial_id, site_id, device_id) DO UPDATE SET is_on = excluded.is_on, remind_hours = excluded.remind_hours;

-- name: drop_rule
-- The default holds again.
DELETE FROM alert_rule WHERE person_id = %(person_id)s::int AND alert_rule_id = %(rule)s::int;

-- name: open_alerts
-- Alerts that are not resolved; of one person, or of everybody.
SELECT a.alert_id, a.person_id, a.kind, a.trial_id, t.code AS trial, a.device_id, d.code AS device, a.site_id, s.code AS site,
       s.name AS site_name, a.since, a.opened_at, a.resolved_at, a.acknowledged_at, a.reminded_at, a.reminders, a.detail
FROM alert a LEFT JOIN trial t USING (trial_id) LEFT JOIN device d USING (device_id) LEFT JOIN site s USING (site_id)
WHERE a.resolved_at IS NULL AND (%(person_id)s::int IS NULL OR a.person_id = %(person_id)s::int) ORDER BY a.alert_id;

-- name: past_alerts
-- Resolved alerts of a person, newest first, below an id.
SELECT a.alert_id, a.person_id, a.kind, a.trial_id, t.code AS trial, a.device_id, d.code AS device, a.site_id, s.code AS site,
       s.name AS site_name, a.since, a.opened_at, a.resolved_at, a.acknowledged_at, a.reminded_at, a.reminders, a.detail
FROM alert a LEFT JOIN trial t USING (trial_id) LEFT JOIN device d USING (device_id) LEFT JOIN site s USING (site_id)
WHERE a.resolved_at IS NOT NULL AND a.person_id = %(person_id)s::int AND (%(below)s::bigint IS NULL OR a.alert_id < %(below)s::bigint)
ORDER BY a.alert_id DESC LIMIT %(most)s::int;

-- name: members
-- In which alert of a person each trouble is: of these troubles.
SELECT person_id, trouble_id, alert_id FROM alert_trouble WHERE trouble_id = ANY(%(troubles)s::bigint[]);

-- name: add_alert
-- An alert of a person.
INSERT INTO alert (person_id, kind, trial_id, device_id, site_id, since, opened_at, resolved_at, detail)
VALUES (%(person_id)s::int, %(kind)s::text, %(trial_id)s::int, %(device_id)s::int, (SELECT site_id FROM site WHERE code = %(site)s::text),
        %(since)s::timestamptz, %(at)s::timestamptz, %(resolved_at)s::timestamptz, %(detail)s::jsonb)
RETURNING alert_id;

-- name: put_trouble
-- A trouble belongs to an alert; it may move from the alert of a site to one of its own.
INSERT INTO alert_trouble (person_id, trouble_id, alert_id) VALUES (%(person_id)s::int, %(trouble_id)s::bigint, %(alert_id)s::bigint)
ON CONFLICT (person_id, trouble_id) DO UPDATE SET alert_id = excluded.alert_id;

-- name: resolve_alert
-- It is over.
UPDATE alert SET resolved_at = %(at)s::timestamptz, detail = %(detail)s::jsonb
WHERE alert_id = %(alert_id)s::bigint AND resolved_at IS NULL;

-- name: note_reminder
-- The person was reminded.
UPDATE alert SET reminded_at = %(at)s::timestamptz, reminders = reminders + 1 WHERE alert_id = %(alert_id)s::bigint
RETURNING reminders;

-- name: acknowledge
-- The person knows: no reminder any more.
UPDATE alert SET acknowledged_at = %(at)s::timestamptz
WHERE alert_id = %(alert_id)s::bigint AND person_id = %(person_id)s::int AND acknowledged_at IS NULL;

-- name: count_alerts
-- Alerts of a person since a moment: opened, and resolved.
SELECT count(*) FILTER (WHERE opened_at > %(since)s::timestamptz)::int, count(*) FILTER (WHERE resolved_at > %(since)s::timestamptz)::int
FROM alert WHERE person_id = %(person_id)s::int;
