-- name: has_factor
-- True for a person with a second factor.
SELECT EXISTS (SELECT FROM second_factor WHERE person_id = %(person_id)s::int AND confirmed_at IS NOT NULL);

-- name: begin_step
-- The first step of a sign-in is done and waits for its code, unless the person was disabled or the password changed meanwhile.
INSERT INTO signed_in (token_sha256, person_id, expires_at, browser, address, wants_code, id_token)
SELECT %(token_sha256)s::bytea, person_id, clock_timestamp() + %(lifetime)s::interval, %(browser)s::text, %(address)s::text, true,
       %(id_token)s::text
FROM person WHERE person_id = %(person_id)s::int AND disabled_at IS NULL AND password_hash IS NOT DISTINCT FROM %(password_hash)s::text
RETURNING session_id;

-- name: find_step
-- The person of a first step that waits for its code.
SELECT p.person_id, p.login, p.password_hash, s.id_token FROM signed_in s JOIN person p USING (person_id)
WHERE s.token_sha256 = %(token_sha256)s::bytea AND s.wants_code AND s.expires_at > clock_timestamp() AND p.disabled_at IS NULL;

-- name: end_step
-- A first step goes on to a session; no row if another request was faster.
DELETE FROM signed_in WHERE token_sha256 = %(token_sha256)s::bytea AND wants_code;

-- name: is_fresh
-- True for a session that began at most this long ago.
SELECT EXISTS (SELECT FROM signed_in WHERE token_sha256 = %(token_sha256)s::bytea AND NOT wants_code
                 AND created_at > clock_timestamp() - %(within)s::interval);

-- name: offer
-- A secret that waits for its first code, instead of an earlier one that waits; no row if the person has a factor.
INSERT INTO second_factor AS f (person_id, secret) VALUES (%(person_id)s::int, %(secret)s::bytea)
ON CONFLICT (person_id) DO UPDATE SET secret = excluded.secret, created_at = clock_timestamp() WHERE f.confirmed_at IS NULL
RETURNING person_id;

-- name: find_factor
-- The factor of a person, locked so that two requests cannot use one code.
SELECT secret, confirmed_at, last_step FROM second_factor WHERE person_id = %(person_id)s::int FOR UPDATE;

-- name: take_step
-- A code was taken: the next one is of a later step. A first code confirms the factor.
UPDATE second_factor SET last_step = %(step)s::bigint, confirmed_at = coalesce(confirmed_at, %(at)s::timestamptz)
WHERE person_id = %(person_id)s::int AND last_step < %(step)s::bigint;

-- name: drop_recovery_codes
-- The recovery codes of a person work no longer.
DELETE FROM recovery_code WHERE person_id = %(person_id)s::int;

-- name: add_recovery_codes
-- Further recovery codes.
INSERT INTO recovery_code (person_id, code_sha256) SELECT %(person_id)s::int, unnest(%(codes_sha256)s::bytea[]);

-- name: use_recovery_code
-- A recovery code is used; no row if it is none, or was used.
UPDATE recovery_code SET used_at = clock_timestamp()
WHERE person_id = %(person_id)s::int AND code_sha256 = %(code_sha256)s::bytea AND used_at IS NULL
  AND EXISTS (SELECT FROM second_factor WHERE person_id = %(person_id)s::int AND confirmed_at IS NOT NULL);

-- name: codes_left
-- How many recovery codes a person has left.
SELECT count(*)::int FROM recovery_code WHERE person_id = %(person_id)s::int AND used_at IS NULL;

-- name: drop_factor
-- A person has no second factor any more.
DELETE FROM second_factor WHERE person_id = %(person_id)s::int;
