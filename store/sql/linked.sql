-- name: find_elsewhere
-- The person that another sign-in (OpenID Connect) knows under this subject.
SELECT person_id, login, password_hash, disabled_at IS NOT NULL AS is_disabled FROM person
WHERE issuer = %(issuer)s::text AND subject = %(subject)s::text;

-- name: find_unlinked
-- The person of a login, and whether another sign-in knows it already.
SELECT person_id, login, password_hash, disabled_at IS NOT NULL AS is_disabled, issuer IS NOT NULL AS is_linked FROM person
WHERE login = %(login)s::text;

-- name: link
-- Another sign-in knows the person from now on under this subject; no row if one does already.
UPDATE person SET issuer = %(issuer)s::text, subject = %(subject)s::text
WHERE person_id = %(person_id)s::int AND issuer IS NULL AND disabled_at IS NULL
  AND NOT EXISTS (SELECT FROM person WHERE issuer = %(issuer)s::text AND subject = %(subject)s::text);

-- name: unlink
-- No other sign-in knows the person any more.
UPDATE person SET issuer = NULL, subject = NULL WHERE person_id = %(person_id)s::int AND issuer IS NOT NULL;

-- name: use_return
-- A way back is used; no row if it was before.
INSERT INTO used_return (state_sha256) VALUES (%(state_sha256)s::bytea) ON CONFLICT DO NOTHING;

-- name: drop_old_returns
-- Ways back that are refused by their age alone; those that another process drops now are left to it.
DELETE FROM used_return WHERE state_sha256 IN (
    SELECT state_sha256 FROM used_return WHERE used_at < clock_timestamp() - interval '1 hour' FOR UPDATE SKIP LOCKED
);

-- name: id_token_of
-- The token of a sign-in elsewhere that began this session, or null.
SELECT id_token FROM signed_in WHERE token_sha256 = %(token_sha256)s::bytea;
