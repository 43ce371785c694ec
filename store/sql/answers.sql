-- name: forget_answers
-- Answers that nobody waits for any more.
DELETE FROM kept_answer WHERE at < %(before)s::timestamptz;

-- name: claim_answer
-- The act that this key stands for is done in this transaction; nothing if it was done before. Waits for another one that does it.
INSERT INTO kept_answer (person_id, key_sha256, request_sha256, at)
VALUES (%(person_id)s::int, %(key_sha256)s::bytea, %(request_sha256)s::bytea, %(at)s::timestamptz)
ON CONFLICT (person_id, key_sha256) DO NOTHING RETURNING person_id;

-- name: kept_answer
-- The act that was done with this key, and its answer.
SELECT request_sha256, answer, at FROM kept_answer WHERE person_id = %(person_id)s::int AND key_sha256 = %(key_sha256)s::bytea;

-- name: keep_answer
-- The answer to an act, for its repeats.
UPDATE kept_answer SET answer = %(answer)s::bytea
WHERE person_id = %(person_id)s::int AND key_sha256 = %(key_sha256)s::bytea AND answer IS NULL;
