-- name: channels
-- Channels in use: of one person, or of everybody.
SELECT alert_channel_id, person_id, kind, address, secret, made_at, confirmed_at FROM alert_channel
WHERE removed_at IS NULL AND (%(person_id)s::int IS NULL OR person_id = %(person_id)s::int) ORDER BY alert_channel_id;

-- name: ever_mailed
-- People who have, or had, a channel by mail.
SELECT DISTINCT person_id FROM alert_channel WHERE kind = 'mail' ORDER BY 1;

-- name: add_channel
-- A channel of a person.
INSERT INTO alert_channel (person_id, kind, address, secret, nats_hash, mosquitto_hash, made_at, confirmed_at)
VALUES (%(person_id)s::int, %(kind)s::text, %(address)s::text, %(secret)s::bytea, %(nats_hash)s::text, %(mosquitto_hash)s::text,
        %(at)s::timestamptz, %(confirmed_at)s::timestamptz) RETURNING alert_channel_id;

-- name: count_recent
-- Channels that a person made since a moment, removed ones too, and tests of one channel.
SELECT (SELECT count(*)::int FROM alert_channel WHERE person_id = %(person_id)s::int AND made_at > %(since)s::timestamptz),
       (SELECT count(*)::int FROM notice
        WHERE alert_channel_id = %(channel)s::int AND event = 'test' AND made_at > %(since)s::timestamptz);

-- name: count_unasked
-- Tests to a mail address that nobody has confirmed, by all people and also by channels that were removed.
SELECT count(*)::int FROM notice n JOIN alert_channel c USING (alert_channel_id)
WHERE n.event = 'test' AND n.made_at > %(since)s::timestamptz AND c.kind = 'mail' AND c.confirmed_at IS NULL
  AND lower(c.address) = lower(%(address)s::text);

-- name: confirm_channel
-- The person receives what is sent there.
UPDATE alert_channel SET confirmed_at = %(at)s::timestamptz
WHERE alert_channel_id = %(channel)s::int AND person_id = %(person_id)s::int AND confirmed_at IS NULL AND removed_at IS NULL;

-- name: remove_channel
-- Nothing is sent there any more.
UPDATE alert_channel SET removed_at = %(at)s::timestamptz
WHERE alert_channel_id = %(channel)s::int AND person_id = %(person_id)s::int AND removed_at IS NULL;

-- name: add_notice
-- One text to one channel, once.
INSERT INTO notice (alert_channel_id, alert_id, about, event, content, made_at, due_at)
VALUES (%(channel)s::int, %(alert_id)s::bigint, %(about)s::text, %(event)s::text, %(content)s::jsonb, %(at)s::timestamptz, %(at)s::timestamptz)
ON CONFLICT (alert_channel_id, about) DO NOTHING;

-- name: heard_of
-- Channels that have a notice about an alert.
SELECT DISTINCT alert_channel_id FROM notice WHERE alert_id = %(alert_id)s::bigint ORDER BY 1;

-- name: claim_notice
-- The notice that has been due for longest and that nobody sends, for me until a moment. Those of one alert leave in their order.
UPDATE notice SET claimed_until = %(until)s::timestamptz, attempts = attempts + 1
WHERE notice_id = (
    SELECT n.notice_id FROM notice n
    WHERE n.ended_at IS NULL AND n.due_at <= %(now)s::timestamptz
      AND (n.claimed_until IS NULL OR n.claimed_until <= %(now)s::timestamptz)
      AND NOT EXISTS (SELECT FROM notice o WHERE o.alert_channel_id = n.alert_channel_id AND o.alert_id = n.alert_id
                      AND o.notice_id < n.notice_id AND o.ended_at IS NULL)
    ORDER BY n.due_at, n.notice_id LIMIT 1 FOR UPDATE OF n SKIP LOCKED)
  AND ended_at IS NULL AND due_at <= %(now)s::timestamptz AND (claimed_until IS NULL OR claimed_until <= %(now)s::timestamptz)
RETURNING notice_id, key, alert_channel_id, alert_id, event, content, made_at, attempts;

-- name: receiver
-- The channel of a notice and its person.
SELECT c.alert_channel_id, c.kind, c.address, c.secret, c.confirmed_at, c.removed_at, p.login, p.language, p.disabled_at
FROM alert_channel c JOIN person p USING (person_id) WHERE c.alert_channel_id = %(channel)s::int;

-- name: end_notice
-- It is delivered, given up or dropped; only for the one who holds the claim.
UPDATE notice SET ended_at = %(at)s::timestamptz, outcome = %(outcome)s::text, answer = %(answer)s::text, claimed_until = NULL
WHERE notice_id = %(notice_id)s::bigint AND attempts = %(attempts)s::int AND ended_at IS NULL;

-- name: postpone_notice
-- It is tried again later.
UPDATE notice SET due_at = %(due_at)s::timestamptz, answer = %(answer)s::text, claimed_until = NULL
WHERE notice_id = %(notice_id)s::bigint AND attempts = %(attempts)s::int AND ended_at IS NULL;

-- name: spare_channel
-- Its receiver does not answer: the other notices wait a little, so that one that never succeeds does not go first again.
UPDATE notice SET due_at = %(due_at)s::timestamptz
WHERE alert_channel_id = %(channel)s::int AND ended_at IS NULL AND due_at < %(due_at)s::timestamptz
  AND (claimed_until IS NULL OR claimed_until <= %(now)s::timestamptz);

-- name: last_notices
-- The newest notices of a person's channels.
SELECT n.notice_id, c.kind, n.event, n.alert_id, n.about, n.made_at, n.due_at, n.attempts, n.answer, n.ended_at, n.outcome, n.alert_channel_id
FROM notice n JOIN alert_channel c USING (alert_channel_id)
WHERE c.person_id = %(person_id)s::int ORDER BY n.notice_id DESC LIMIT %(most)s::int;
