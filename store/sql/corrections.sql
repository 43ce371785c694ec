-- name: differing
-- Stored results of one datastream in a span that differ from the offered ones; without those that this file corrected before,
-- unless that import was withdrawn.
SELECT o.datastream_id, o.phenomenon_time, o.result AS old_result, k.result AS new_result, o.received_at AS old_received_at,
       o.import_id AS old_import_id, o.clock_quality AS old_clock_quality
FROM unnest(%(times)s::timestamptz[], %(results)s::float8[]) AS k(phenomenon_time, result)
JOIN observation o ON o.phenomenon_time = k.phenomenon_time AND o.result <> k.result
WHERE o.datastream_id = %(datastream_id)s::int AND o.phenomenon_time BETWEEN %(first)s::timestamptz AND %(last)s::timestamptz
  AND NOT EXISTS (SELECT FROM correction c LEFT JOIN import i USING (import_id)
                  WHERE c.datastream_id = o.datastream_id AND c.phenomenon_time = k.phenomenon_time AND i.withdrawn_at IS NULL
                  AND c.file_sha256 = %(file_sha256)s::text AND c.reason = %(reason)s::text)
ORDER BY o.phenomenon_time;

-- name: replace_results
-- Replace results of one datastream in a span, and their time of receipt; marks them as unchecked.
UPDATE observation o SET result = k.result, received_at = %(now)s::timestamptz, clock_quality = 5, flag = 2,
    import_id = %(import_id)s::int
FROM unnest(%(times)s::timestamptz[], %(results)s::float8[]) AS k(phenomenon_time, result)
WHERE o.datastream_id = %(datastream_id)s::int AND o.phenomenon_time BETWEEN %(first)s::timestamptz AND %(last)s::timestamptz
  AND o.phenomenon_time = k.phenomenon_time;

-- name: save_corrections
-- Record the old results and the reason.
INSERT INTO correction (datastream_id, phenomenon_time, old_result, new_result, old_received_at, corrected_at, login, reason, file,
                        file_sha256, old_import_id, old_clock_quality, import_id)
SELECT datastream_id, phenomenon_time, old_result, new_result, received_at, %(now)s::timestamptz, %(login)s::text, %(reason)s::text,
       %(file)s::text, %(file_sha256)s::text, old_import_id, old_clock_quality, %(import_id)s::int
FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[], %(old_results)s::float8[], %(results)s::float8[],
            %(received)s::timestamptz[], %(old_import_ids)s::int[], %(old_qualities)s::smallint[])
  AS k(datastream_id, phenomenon_time, old_result, new_result, received_at, old_import_id, old_clock_quality);

-- name: check_again
-- Make the checks due from the first corrected time; refresh the latest result, which may be a corrected one.
UPDATE datastream_latest l SET received_at = greatest(l.received_at, %(now)s::timestamptz),
    unchecked_from = least(l.unchecked_from, k.first),
    result = coalesce((SELECT o.result FROM observation o
                       WHERE o.datastream_id = l.datastream_id AND o.phenomenon_time = l.phenomenon_time), l.result)
FROM (SELECT datastream_id, min(phenomenon_time) AS first
      FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[]) AS u(datastream_id, phenomenon_time) GROUP BY 1) AS k
WHERE l.datastream_id = k.datastream_id;

-- name: corrections
-- Corrections of a trial, newest first.
SELECT d.code AS device, s.name AS datastream, c.phenomenon_time, c.old_result, c.new_result, c.corrected_at, c.login, c.reason, c.file,
       i.withdrawn_at IS NOT NULL AS is_withdrawn
FROM correction c LEFT JOIN import i USING (import_id) JOIN datastream s USING (datastream_id) JOIN device d USING (device_id)
JOIN trial t ON t.trial_id = d.trial_id
WHERE t.code = %(trial)s::text ORDER BY c.correction_id DESC LIMIT %(most)s::int;

-- name: corrections_by_file
-- Corrections of a trial up to a time that are in use, by datastream and file, in order of time.
SELECT d.code || '/' || s.name AS datastream, c.file, c.reason, min(c.login) AS corrected_by, max(c.corrected_at) AS corrected_at,
       min(c.phenomenon_time) AS first, max(c.phenomenon_time) AS last, count(*)::int AS results,
       avg(c.new_result - c.old_result) AS moved
FROM correction c LEFT JOIN import i USING (import_id) JOIN datastream s USING (datastream_id) JOIN device d USING (device_id)
JOIN trial t ON t.trial_id = d.trial_id
WHERE t.code = %(trial)s::text AND c.corrected_at <= %(before)s::timestamptz
  AND (i.withdrawn_at IS NULL OR i.withdrawn_at > %(before)s::timestamptz)
GROUP BY d.code, s.name, c.file, c.file_sha256, c.reason, c.import_id
ORDER BY max(c.corrected_at), 1, c.file, c.reason, min(c.phenomenon_time);

-- name: deployment_at
-- The deployment of a device at a time, or the last one if no time is given; locked until the transaction ends.
SELECT p.deployment_id, s.code AS site, p.position, lower(p.period) AS start, upper(p.period) AS end
FROM deployment p JOIN site s USING (site_id)
WHERE p.device_id = %(device_id)s::int AND (%(at)s::timestamptz IS NULL OR p.period @> %(at)s::timestamptz)
ORDER BY lower(p.period) DESC LIMIT 1 FOR UPDATE OF p;

-- name: correct_deployment
-- Change start or end of a deployment that was entered wrongly.
UPDATE deployment SET period = tstzrange(%(start)s::timestamptz, %(end)s::timestamptz, '[)')
WHERE deployment_id = %(deployment_id)s::int;
