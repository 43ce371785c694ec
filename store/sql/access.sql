-- name: organisation_kind
-- The kind of an organisation, which decides the roles of its people.
SELECT kind FROM organisation WHERE code = %(organisation)s::text;

-- name: add_person
-- A person who can sign in.
INSERT INTO person (login, name, organisation_id, password_hash, language, role, created_at)
SELECT %(login)s::text, %(name)s::text, organisation_id, %(password_hash)s::text, %(language)s::text, %(role)s::text,
       %(now)s::timestamptz
FROM organisation WHERE code = %(organisation)s::text RETURNING person_id;

-- name: anybody
-- True if anybody can sign in.
SELECT EXISTS (SELECT FROM person);

-- name: password_of
-- The password hash to compare at sign-in.
SELECT person_id, password_hash FROM person WHERE login = %(login)s::text AND disabled_at IS NULL;

-- name: sign_in
-- A session of a browser.
INSERT INTO signed_in (token_sha256, person_id, expires_at)
VALUES (%(token_sha256)s::bytea, %(person_id)s::int, clock_timestamp() + %(lifetime)s::interval);

-- name: signed_in
-- The people of these sessions, with the pages that they keep; a sign-in that waits for its code is none.
SELECT s.token_sha256, p.person_id, p.login, p.name, p.language, p.role, o.organisation_id, o.name AS organisation,
       EXISTS (SELECT FROM second_factor f WHERE f.person_id = p.person_id AND f.confirmed_at IS NOT NULL) AS has_factor,
       ARRAY(SELECT ARRAY[v.name, v.address] FROM saved_view v WHERE v.person_id = p.person_id ORDER BY v.place, v.saved_view_id) AS views
FROM signed_in s JOIN person p USING (person_id) JOIN organisation o USING (organisation_id)
WHERE s.token_sha256 = ANY(%(tokens_sha256)s::bytea[]) AND s.expires_at > clock_timestamp() AND NOT s.wants_code
  AND p.disabled_at IS NULL;

-- name: viewer_of_login
-- The person who signs in with a login.
SELECT p.person_id, p.login, p.name, p.language, p.role, o.organisation_id, o.name AS organisation,
       EXISTS (SELECT FROM second_factor f WHERE f.person_id = p.person_id AND f.confirmed_at IS NOT NULL) AS has_factor
FROM person p JOIN organisation o USING (organisation_id) WHERE p.login = %(login)s::text AND p.disabled_at IS NULL;

-- name: any_session
-- True if anybody is signed in, or ever was.
SELECT EXISTS (SELECT FROM signed_in WHERE NOT wants_code) OR EXISTS (SELECT FROM person WHERE last_sign_in_at IS NOT NULL);

-- name: sign_out
-- End a session and remove expired ones.
DELETE FROM signed_in WHERE token_sha256 = %(token_sha256)s::bytea OR expires_at < clock_timestamp();

-- name: set_language
-- The reader's language.
UPDATE person SET language = %(language)s::text WHERE person_id = %(person_id)s::int;

-- name: visible_trials
-- The one place that decides which trials a viewer may see, by the reach of the role (store.rights): any; its own, by the part that
-- its organisation takes; and with `sites` also those with a device at one of its sites.
SELECT t.trial_id, t.code, t.title, t.state, t.time_zone, t.ends_at, t.created_at, n.code AS need, h.name AS host,
       c.name AS company, e.name AS evaluator, t.host_id, t.company_id, t.evaluator_id
FROM trial t JOIN organisation h ON h.organisation_id = t.host_id JOIN organisation c ON c.organisation_id = t.company_id
LEFT JOIN organisation e ON e.organisation_id = t.evaluator_id LEFT JOIN need n USING (need_id)
WHERE (%(reach)s::text = 'any'
       OR (%(reach)s::text IN ('own', 'sites')
           AND CASE %(party)s::text WHEN 'host' THEN t.host_id WHEN 'company' THEN t.company_id WHEN 'evaluator' THEN t.evaluator_id END
               = %(organisation_id)s::int)
       OR (%(reach)s::text = 'sites'
           AND EXISTS (SELECT FROM deployment p JOIN site s USING (site_id) JOIN device d USING (device_id)
                       WHERE d.trial_id = t.trial_id AND s.host_id = %(organisation_id)s::int)))
  AND (%(code)s::text IS NULL OR t.code = %(code)s::text)
ORDER BY t.code;

-- name: add_credential
-- A user of a device or a network server, and the hashes of its token; both null for a probe of the access rules.
INSERT INTO credential (device_id, network_server_id, username, token_sha256, nats_hash, mosquitto_hash, created_at, expires_at)
VALUES (%(device_id)s::int, %(network_server_id)s::int, %(username)s::text, %(token_sha256)s::bytea, %(nats_hash)s::text, %(mosquitto_hash)s::text, %(now)s::timestamptz,
        %(expires_at)s::timestamptz);

-- name: username_taken
-- True if the name was ever used.
SELECT EXISTS (SELECT FROM credential WHERE username = %(username)s::text);

-- name: revoke_credentials
-- End a device's credentials, perhaps except one.
UPDATE credential SET revoked_at = %(at)s::timestamptz WHERE device_id = %(device_id)s::int AND revoked_at IS NULL
  AND username IS DISTINCT FROM %(keep)s::text;

-- name: revoke_network_credentials
-- End a network server's credentials.
UPDATE credential SET revoked_at = %(at)s::timestamptz WHERE network_server_id = %(network_server_id)s::int AND revoked_at IS NULL;

-- name: drop_probes
-- Remove the throw-away users of `insitu check`.
DELETE FROM credential WHERE device_id IS NULL AND network_server_id IS NULL AND username = ANY(%(usernames)s::text[]);

-- name: active_credentials
-- Users that the broker must accept now.
SELECT c.username, c.nats_hash, c.mosquitto_hash, coalesce(t.code, 'check') AS trial, coalesce(d.code, split_part(c.username, '.', 2)) AS device,
       CASE WHEN c.network_server_id IS NOT NULL THEN ARRAY(
           SELECT a.address FROM network_address a JOIN device USING (device_id) JOIN trial USING (trial_id)
           WHERE a.network_server_id = c.network_server_id AND retired_at IS NULL AND (ends_at IS NULL OR ends_at > %(now)s::timestamptz)
           ORDER BY a.address) END AS addresses,
       ARRAY(SELECT f.topic FROM fixed_topic f WHERE f.device_id = c.device_id AND topic_is_heard(f.topic) ORDER BY f.topic) AS topics,
       t.code IS NULL OR trial_is_heard_below(t.code) AS heard_below, NULL::text AS hears
FROM credential c LEFT JOIN device d USING (device_id) LEFT JOIN trial t USING (trial_id)
WHERE c.revoked_at IS NULL AND (c.expires_at IS NULL OR c.expires_at > %(now)s::timestamptz)
  AND (t.ends_at IS NULL OR t.ends_at > %(now)s::timestamptz) AND d.retired_at IS NULL
  AND (%(suspended)s::boolean OR c.suspended_until IS NULL OR c.suspended_until <= clock_timestamp())
  AND (t.code IS NULL OR trial_is_heard(t.code)) -- messages published before a session hears the trial would be lost
UNION ALL
SELECT 'alerts.' || a.alert_channel_id, a.nats_hash, a.mosquitto_hash, '', '', NULL, '{}', true, a.address
FROM alert_channel a JOIN person p USING (person_id) WHERE a.kind = 'mqtt' AND a.removed_at IS NULL AND p.disabled_at IS NULL
ORDER BY 1;

-- name: credentials_by_token
-- The devices that hold these tokens (for HTTP ingest).
SELECT c.token_sha256, c.username, t.code AS trial, d.code AS device, d.device_id
FROM credential c JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE c.token_sha256 = ANY(%(tokens_sha256)s::bytea[]) AND c.revoked_at IS NULL AND d.retired_at IS NULL
  AND (c.expires_at IS NULL OR c.expires_at > %(now)s::timestamptz) AND (t.ends_at IS NULL OR t.ends_at > %(now)s::timestamptz);

-- name: credentials_of_device
-- All credentials of a device, newest first.
SELECT username, created_at, expires_at, revoked_at,
       CASE WHEN suspended_until > clock_timestamp() THEN suspended_until END AS suspended_until, suspended_bytes, suspended_seconds,
       token_sha256
FROM credential WHERE device_id = %(device_id)s::int
ORDER BY credential_id DESC;

-- name: broker_state
-- The state of the credentials that the broker should use, and the one that it uses.
SELECT wanted, applied, problem, applied_at FROM broker_state;

-- name: broker_applied
-- Record the state that the broker uses, or why it does not.
UPDATE broker_state SET applied = %(version)s::bigint, problem = %(problem)s::text, applied_at = %(at)s::timestamptz;

-- name: next_expiry
-- When the next credential or suspension ends. A suspension ends by the wall clock, so its remaining time is added to now.
SELECT min(at) FROM (
    SELECT least(c.expires_at, t.ends_at) AS at FROM credential c JOIN device d USING (device_id) JOIN trial t USING (trial_id)
    WHERE c.revoked_at IS NULL
    UNION ALL SELECT %(now)s::timestamptz + (suspended_until - clock_timestamp()) FROM credential WHERE revoked_at IS NULL) AS x
WHERE at > %(now)s::timestamptz;

-- name: suspendable
-- Credentials of a device that the broker accepts, only if the broker is ours: another one would not get the change.
SELECT c.credential_id FROM credential c JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text AND d.code = %(device)s::text AND c.revoked_at IS NULL
  AND (c.suspended_until IS NULL OR c.suspended_until <= clock_timestamp())
  AND EXISTS (SELECT FROM broker_state WHERE applied_at IS NOT NULL) ORDER BY 1 FOR UPDATE OF c;

-- name: suspend
-- For a minute; doubled, up to a quarter of an hour, if the last suspension ended within 15 minutes.
UPDATE credential SET suspended_at = clock_timestamp(), suspensions = suspensions + 1,
    suspended_bytes = %(bytes)s::bigint, suspended_seconds = %(seconds)s::float8,
    suspended_step = CASE WHEN suspended_until > clock_timestamp() - interval '15 minutes' THEN least(suspended_step + 1, 5) ELSE 1 END,
    suspended_until = clock_timestamp() + least(interval '15 minutes', interval '1 minute' * power(2,
        CASE WHEN suspended_until > clock_timestamp() - interval '15 minutes' THEN suspended_step ELSE 0 END))
WHERE credential_id = ANY(%(credential_ids)s::int[]) RETURNING suspended_until;

-- name: suspensions
-- How often credentials were suspended.
SELECT coalesce(sum(suspensions), 0)::bigint FROM credential;

-- name: put_fact
-- Store a fact of this installation; a newer value replaces it.
INSERT INTO installation (name, content) VALUES (%(name)s::text, %(content)s::text)
ON CONFLICT (name) DO UPDATE SET content = excluded.content;

-- name: fact
-- One fact of this installation.
SELECT content FROM installation WHERE name = %(name)s::text;
