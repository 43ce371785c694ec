-- name: overflow
-- Refusals that were not kept, newest hour first.
SELECT trial, device, hour, reason, messages, results, bytes, first_at, last_at FROM reject_overflow
WHERE (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text) AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
ORDER BY hour DESC, trial, device, reason LIMIT %(most)s::int;

-- name: replayable
-- Rejects that were not replayed yet and whose import is not withdrawn, oldest first, locked until the replay is committed.
SELECT r.reject_id, r.reason, r.topic, r.payload, r.size, r.received_at, r.trial, r.device, r.identity, r.import_id,
       r.import_id IS NOT NULL AND EXISTS (SELECT FROM import i WHERE i.import_id = r.import_id AND i.file_sha256 IS NOT NULL) AS from_file
FROM reject r WHERE replayed_at IS NULL AND erased_by IS NULL AND size = length(payload) AND reject_id > %(above)s::bigint
  AND (%(trial)s::text IS NULL OR trial = %(trial)s::text) AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
  AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND NOT EXISTS (SELECT FROM import i WHERE i.import_id = r.import_id AND i.withdrawn_at IS NOT NULL)
ORDER BY reject_id LIMIT %(most)s::int FOR UPDATE SKIP LOCKED;

-- name: reasons_of
-- The open rejects of some messages.
SELECT identity, reason FROM reject WHERE identity = ANY(%(identities)s::bytea[]) AND replayed_at IS NULL;

-- name: mark_replayed
-- Mark rejects as replayed: none of their results is refused any more.
UPDATE reject SET replayed_at = %(now)s::timestamptz WHERE reject_id = ANY(%(reject_ids)s::bigint[]);

-- name: stored_of
-- Results that messages of some times of receipt brought to some datastreams, and the packed days that may hold some. It reads each
-- datastream once: their times may be any.
SELECT o.datastream_id, o.received_at, o.phenomenon_time AS time, o.result, NULL::bytea AS columns FROM observation o
WHERE o.datastream_id = ANY(%(datastream_ids)s::int[]) AND o.received_at = ANY(%(received)s::timestamptz[])
  AND o.import_id IS NOT DISTINCT FROM %(import_id)s::int
UNION ALL SELECT p.datastream_id, NULL, NULL, NULL, p.columns FROM packed_day p
WHERE p.datastream_id = ANY(%(datastream_ids)s::int[])
  AND EXISTS (SELECT FROM unnest(%(received)s::timestamptz[]) AS r(at) WHERE r.at BETWEEN p.first_received AND p.last_received);
