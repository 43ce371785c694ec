-- name: streams_of
-- Datastreams of a trial, or of one device of it.
SELECT m.datastream_id FROM datastream m JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE t.code = %(trial)s::text AND (%(device)s::text IS NULL OR d.code = %(device)s::text) ORDER BY 1;

-- name: erase
-- Erase parts of a trial, or of one device of it; returns the number of the erasure.
SELECT erase(%(now)s::timestamptz, %(login)s::text, %(reason)s::text, %(trial)s::text, %(device)s::text, %(since)s::timestamptz,
             %(until)s::timestamptz, %(parts)s::text[]);

-- name: erase_person
-- Erase what is known of a person; returns the number of the erasure.
SELECT erase_person(%(now)s::timestamptz, %(login)s::text, %(reason)s::text, %(person_id)s::int);

-- name: erasures
-- Erasures of a trial, or one, or all, newest first, with the rows that went by table and device.
SELECT e.erasure_id, e.at, e.by_login, e.reason, e.trial, e.device, e.person_id, e.from_time, e.to_time, e.parts,
       coalesce((SELECT jsonb_object_agg(x.table_name, x.erased) FROM (
           SELECT table_name, sum(erased)::bigint AS erased FROM erased_rows r WHERE r.erasure_id = e.erasure_id GROUP BY 1) x), '{}') AS erased,
       coalesce((SELECT jsonb_object_agg(x.device, x.erased) FROM (
           SELECT device, sum(booked)::bigint AS erased FROM erased_rows r WHERE r.erasure_id = e.erasure_id GROUP BY 1
           HAVING sum(booked) > 0) x), '{}') AS results_by_device
FROM erasure e WHERE (%(trial)s::text IS NULL OR e.trial = %(trial)s::text) AND (%(number)s::int IS NULL OR e.erasure_id = %(number)s::int)
ORDER BY e.erasure_id DESC LIMIT %(most)s::int;

-- name: erased_of_devices
-- How many stored results of each device of a trial were erased.
SELECT device, sum(booked)::int AS results FROM erased_rows WHERE trial = %(trial)s::text GROUP BY 1 HAVING sum(booked) > 0 ORDER BY 1;

-- name: erased_after
-- Erasures of results of a trial after a moment, oldest first.
SELECT e.erasure_id, e.at, e.reason, e.device FROM erasure e
WHERE e.trial = %(trial)s::text AND e.at >= %(after)s::timestamptz
  AND EXISTS (SELECT FROM erased_rows r WHERE r.erasure_id = e.erasure_id AND r.table_name = 'observation') ORDER BY e.erasure_id;

-- name: erased_results
-- Erasures of a trial's results up to a moment, oldest first, with the results of each device that were stored then.
SELECT e.erasure_id, e.at, e.reason, r.device, e.from_time, e.to_time, sum(r.erased)::bigint AS results
FROM erasure e JOIN erased_rows r USING (erasure_id)
WHERE r.trial = %(trial)s::text AND r.table_name = 'observation' AND e.at <= %(until)s::timestamptz
GROUP BY e.erasure_id, r.device HAVING sum(r.erased) > 0 ORDER BY e.erasure_id, r.device;

-- name: copies
-- Who took a copy of a trial's results away: exports of packages and downloads.
SELECT action, login, at FROM audit WHERE subject = %(trial)s::text AND action IN ('export', 'download') ORDER BY audit_id;

-- name: line_of_erasure
-- The line of the audit log that tells of an erasure.
SELECT audit_id, at, login, action, subject, detail, previous_sha256, sha256 FROM audit
WHERE action = 'erase' AND detail->>'erasure' = %(number)s::text;
