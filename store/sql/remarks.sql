-- name: save_remarks
-- Count the remarks of a batch.
INSERT INTO device_remark AS r (device_id, code, subject, amount, messages, first_at, last_at)
SELECT k.device_id, k.code, k.subject, k.amount, k.messages, k.at, k.at
FROM unnest(%(device_ids)s::int[], %(codes)s::text[], %(subjects)s::text[], %(amounts)s::float8[], %(messages)s::int8[],
            %(at)s::timestamptz[]) AS k(device_id, code, subject, amount, messages, at)
WHERE EXISTS (SELECT FROM device_remark o WHERE (o.device_id, o.code, o.subject) = (k.device_id, k.code, k.subject))
   OR (SELECT count(*) FROM device_remark o WHERE o.device_id = k.device_id AND o.code = k.code) < 20
ORDER BY 1, 2, 3
ON CONFLICT (device_id, code, subject) DO UPDATE SET amount = excluded.amount, messages = r.messages + excluded.messages,
    first_at = least(r.first_at, excluded.first_at), last_at = greatest(r.last_at, excluded.last_at);

-- name: list_remarks
-- Recent remarks about some devices, newest first.
SELECT device_id, code, subject, amount, messages, first_at, last_at FROM device_remark
WHERE device_id = ANY (%(device_ids)s::int[]) AND last_at > %(since)s::timestamptz ORDER BY last_at DESC, code, subject;
