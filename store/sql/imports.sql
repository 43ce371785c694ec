-- name: begin_import
-- A new import; no trial for uplinks of a network server.
INSERT INTO import (trial_id, file, file_sha256, login, imported_at, understood)
VALUES ((SELECT trial_id FROM trial WHERE code = %(trial)s::text), %(file)s::text, %(file_sha256)s::text, %(login)s::text,
        %(now)s::timestamptz, %(understood)s::jsonb) RETURNING import_id;

-- name: share_import
-- When an import was withdrawn; a withdrawal waits until this transaction ends.
SELECT withdrawn_at FROM import WHERE import_id = %(import_id)s::int FOR KEY SHARE;

-- name: add_parts
-- Where the results of an import are, and how many; a batch adds to what is there.
INSERT INTO import_part AS p (import_id, datastream_id, first_time, last_time, results)
SELECT %(import_id)s::int, datastream_id, min(phenomenon_time), max(phenomenon_time), count(*)
FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[]) AS k(datastream_id, phenomenon_time)
GROUP BY datastream_id ORDER BY datastream_id
ON CONFLICT (import_id, datastream_id) DO UPDATE SET first_time = least(p.first_time, excluded.first_time),
    last_time = greatest(p.last_time, excluded.last_time), results = p.results + excluded.results;

-- name: imports
-- Imports of a trial, or one, or all, newest first. Of an import into several trials, a trial sees its own part alone.
SELECT i.import_id, coalesce(t.code, min(x.code)) AS trial, count(DISTINCT x.code)::int AS trials, i.file, i.file_sha256, i.login,
       i.imported_at, i.understood, coalesce(sum(p.results) FILTER (WHERE %(trial)s::text IS NULL OR x.code = %(trial)s::text), 0)::bigint AS results,
       coalesce(array_agg(DISTINCT d.code ORDER BY d.code) FILTER (WHERE d.code IS NOT NULL AND (%(trial)s::text IS NULL
           OR x.code = %(trial)s::text)), '{}') AS devices,
       min(p.first_time) FILTER (WHERE %(trial)s::text IS NULL OR x.code = %(trial)s::text) AS first_time, max(p.last_time) FILTER (WHERE %(trial)s::text IS NULL OR x.code = %(trial)s::text) AS last_time, i.withdrawn_at, i.withdrawn_by, i.withdrawn_for
FROM import i LEFT JOIN trial t USING (trial_id) LEFT JOIN import_part p USING (import_id)
LEFT JOIN datastream m USING (datastream_id) LEFT JOIN device d USING (device_id) LEFT JOIN trial x ON x.trial_id = d.trial_id
WHERE (%(import_id)s::int IS NULL OR i.import_id = %(import_id)s::int)
  AND (%(trial)s::text IS NULL OR t.code = %(trial)s::text
       OR EXISTS (SELECT FROM import_part y JOIN datastream USING (datastream_id) JOIN device USING (device_id)
                  JOIN trial z ON z.trial_id = device.trial_id WHERE y.import_id = i.import_id AND z.code = %(trial)s::text))
GROUP BY i.import_id, t.code ORDER BY i.import_id DESC LIMIT %(most)s::int;

-- name: unknown_imports
-- Results of a trial that came from a file before imports had numbers.
SELECT coalesce(sum(o.n), 0)::bigint FROM (
    SELECT datastream_id, 1 AS n FROM observation WHERE clock_quality IN (4, 5) AND import_id IS NULL
    UNION ALL SELECT datastream_id, unnumbered FROM packed_day WHERE unnumbered > 0) o
JOIN datastream m USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text;

-- name: hold_import
-- Lock an import until the withdrawal is committed.
SELECT withdrawn_at FROM import WHERE import_id = %(import_id)s::int FOR UPDATE;

-- name: trials_of_import
-- The trials that have results of an import.
SELECT DISTINCT t.code FROM import_part p JOIN datastream m USING (datastream_id) JOIN device d USING (device_id)
JOIN trial t ON t.trial_id = d.trial_id WHERE p.import_id = %(import_id)s::int
UNION SELECT t.code FROM import i JOIN trial t USING (trial_id) WHERE i.import_id = %(import_id)s::int ORDER BY 1;

-- name: mark_withdrawn
-- The import is withdrawn: who, when and why.
UPDATE import SET withdrawn_at = %(now)s::timestamptz, withdrawn_by = %(login)s::text, withdrawn_for = %(reason)s::text
WHERE import_id = %(import_id)s::int AND withdrawn_at IS NULL;

-- name: keep_withdrawn
-- Keep the results of an import that is withdrawn, and say of each whether an earlier result takes its place again.
INSERT INTO withdrawn_observation (import_id, datastream_id, phenomenon_time, result, received_at, clock_quality, restored)
SELECT o.import_id, o.datastream_id, o.phenomenon_time, o.result, o.received_at, o.clock_quality,
       EXISTS (SELECT FROM correction c LEFT JOIN import i ON i.import_id = c.old_import_id
               WHERE c.datastream_id = o.datastream_id AND c.phenomenon_time = o.phenomenon_time AND i.withdrawn_at IS NULL)
FROM import_part p JOIN observation o ON o.datastream_id = p.datastream_id AND o.phenomenon_time BETWEEN p.first_time AND p.last_time
WHERE p.import_id = %(import_id)s::int AND o.import_id = p.import_id;

-- name: parts_of_import
-- Where the results of an import are.
SELECT datastream_id, first_time AS first, last_time AS last FROM import_part WHERE import_id = %(import_id)s::int ORDER BY 1;

-- name: put_back
-- Where the import had replaced a result of a datastream in a span, the newest one before it that is not withdrawn.
UPDATE observation o SET result = b.old_result, received_at = b.old_received_at, clock_quality = b.old_clock_quality,
    import_id = b.old_import_id, flag = 2
FROM (SELECT DISTINCT ON (w.datastream_id, w.phenomenon_time) w.datastream_id, w.phenomenon_time, c.old_result, c.old_received_at,
             coalesce(c.old_clock_quality, 0)::smallint AS old_clock_quality, c.old_import_id
      FROM withdrawn_observation w JOIN correction c USING (datastream_id, phenomenon_time)
      LEFT JOIN import i ON i.import_id = c.old_import_id
      WHERE w.import_id = %(import_id)s::int AND w.datastream_id = %(datastream_id)s::int AND w.restored AND i.withdrawn_at IS NULL
      ORDER BY w.datastream_id, w.phenomenon_time, c.correction_id DESC) b
WHERE o.datastream_id = %(datastream_id)s::int AND o.phenomenon_time BETWEEN %(first)s::timestamptz AND %(last)s::timestamptz
  AND o.phenomenon_time = b.phenomenon_time;

-- name: take_out
-- Take the other results of the import for a datastream, in a span, out of use.
DELETE FROM observation o USING withdrawn_observation w
WHERE w.import_id = %(import_id)s::int AND NOT w.restored AND w.datastream_id = %(datastream_id)s::int
  AND o.datastream_id = %(datastream_id)s::int AND o.phenomenon_time BETWEEN %(first)s::timestamptz AND %(last)s::timestamptz
  AND o.phenomenon_time = w.phenomenon_time;

-- name: drop_flags
-- Remove the flags of results that are no longer in use.
DELETE FROM quality_flag f USING withdrawn_observation w
WHERE w.import_id = %(import_id)s::int AND f.datastream_id = w.datastream_id AND f.phenomenon_time = w.phenomenon_time;

-- name: latest_again
-- Find the latest results of the datastreams again, and make the checks due from the first time that changed.
UPDATE datastream_latest l SET phenomenon_time = o.phenomenon_time, result = o.result, received_at = o.received_at,
    unchecked_from = least(l.unchecked_from, p.first_time)
FROM import_part p CROSS JOIN LATERAL (
    SELECT x.phenomenon_time, x.result, x.received_at FROM observation x WHERE x.datastream_id = p.datastream_id
    ORDER BY x.phenomenon_time DESC LIMIT 1) o
WHERE p.import_id = %(import_id)s::int AND l.datastream_id = p.datastream_id;

-- name: no_latest
-- Datastreams that have no result any more have no latest one.
DELETE FROM datastream_latest l USING import_part p
WHERE p.import_id = %(import_id)s::int AND l.datastream_id = p.datastream_id
  AND NOT EXISTS (SELECT FROM observation o WHERE o.datastream_id = p.datastream_id);

-- name: withdrawn_counts
-- Results of an import that are withdrawn, by whether an earlier result took their place.
SELECT count(*) FILTER (WHERE NOT restored)::int AS taken_out, count(*) FILTER (WHERE restored)::int AS put_back
FROM withdrawn_observation WHERE import_id = %(import_id)s::int;

-- name: same_file
-- Other imports of the same file that are in use and have results.
SELECT i.import_id FROM import i JOIN import mine ON mine.file_sha256 = i.file_sha256
WHERE mine.import_id = %(import_id)s::int AND i.import_id <> mine.import_id AND i.withdrawn_at IS NULL
  AND EXISTS (SELECT FROM import_part p WHERE p.import_id = i.import_id) ORDER BY 1;

-- name: withdrawals
-- Withdrawn results of a trial, by import and datastream, before a moment.
SELECT i.import_id, i.file, i.file_sha256, i.login, i.imported_at, i.withdrawn_at, i.withdrawn_by, i.withdrawn_for,
       d.code || '/' || m.name AS datastream, min(w.phenomenon_time) AS first_time, max(w.phenomenon_time) AS last_time,
       count(*)::int AS results
FROM withdrawn_observation w JOIN import i USING (import_id) JOIN datastream m USING (datastream_id) JOIN device d USING (device_id)
JOIN trial t ON t.trial_id = d.trial_id
WHERE t.code = %(trial)s::text AND i.withdrawn_at <= %(before)s::timestamptz
GROUP BY i.import_id, d.code, m.name ORDER BY i.import_id, d.code, m.name;

-- name: withdrawn_of_devices
-- How many stored results of each device of a trial are out of use.
SELECT d.code AS device, count(*)::int AS results FROM withdrawn_observation w JOIN datastream m USING (datastream_id)
JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text AND NOT w.restored GROUP BY 1 ORDER BY 1;

-- name: origins
-- Which import brought each of these stored results, and the packed days that may hold them.
SELECT o.datastream_id, o.phenomenon_time, o.import_id, o.clock_quality, NULL::bytea AS columns
FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[]) AS k(datastream_id, phenomenon_time)
JOIN observation o USING (datastream_id, phenomenon_time)
UNION ALL SELECT p.datastream_id, NULL, NULL, NULL, p.columns
FROM (SELECT DISTINCT k.datastream_id, s.start_time
      FROM unnest(%(datastream_ids)s::int[], %(times)s::timestamptz[]) AS k(datastream_id, at)
      CROSS JOIN LATERAL (SELECT q.start_time FROM packed_day q WHERE q.datastream_id = k.datastream_id AND q.start_time <= k.at
                          AND q.start_time > k.at - interval '33 days' ORDER BY q.start_time DESC LIMIT 1) s) d
CROSS JOIN LATERAL (SELECT x.datastream_id, x.columns FROM packed_day x WHERE x.datastream_id = d.datastream_id
                    AND x.start_time = d.start_time LIMIT 1) p;

-- name: files_of
-- The files of some imports.
SELECT import_id, file FROM import WHERE import_id = ANY(%(import_ids)s::int[]);
