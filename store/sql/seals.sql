-- name: one_sealer
-- False if another process seals at this moment.
SELECT pg_try_advisory_xact_lock(7031872);

-- name: next_seal
-- A number that no row and no line has yet.
SELECT 1 + greatest((SELECT coalesce(max(seal_id), 0) FROM fact_change), (SELECT coalesce(max(seal_id), 0) FROM sealed_day), coalesce((
    SELECT (detail->>'seal')::int FROM audit WHERE action = 'seal' ORDER BY audit_id DESC LIMIT 1), 0));

-- name: seal_facts
-- Seal the changes that wait. A transaction with a line in the log has an act. An entry needs none, unless it gives somebody rights, nor
-- does a change that the parts make by themselves.
WITH act AS (DELETE FROM fact_change WHERE seal_id IS NULL AND how = 'act' RETURNING xid)
UPDATE fact_change f SET seal_id = %(seal)s::int, xid = NULL,
    is_act = f.how = 'found' OR (f.how = 'enter' AND f.kind <> ALL(%(rights)s::text[])) OR concat_ws(' ', f.kind, f.how) = ANY(%(by_itself)s::text[])
             OR concat_ws(' ', f.kind, f.how, f.key) = ANY(%(by_itself)s::text[]) OR f.xid IN (SELECT xid FROM act)
WHERE f.seal_id IS NULL AND f.how <> 'act';

-- name: note_act
-- This transaction is an act, though no line tells of it.
INSERT INTO fact_change (kind, key, sha256, how) VALUES (%(kind)s::text, '', '', 'act');

-- name: fact_seals
-- Each seal of facts: how many changes it has, and their hash.
SELECT seal_id, count(*)::int AS changes, encode(sha256(convert_to(string_agg(
           concat_ws(' ', change_id, kind, key, sha256, how, is_act, extract(epoch FROM at)), chr(10) ORDER BY change_id), 'UTF8')), 'hex') AS sha256
FROM fact_change WHERE seal_id IS NOT NULL AND (%(seal)s::int IS NULL OR seal_id = %(seal)s::int) GROUP BY 1 ORDER BY 1;

-- name: waiting_facts
-- Changes that wait for a seal for longer than a while.
SELECT count(*)::int FROM fact_change WHERE seal_id IS NULL AND how <> 'act' AND at < clock_timestamp() - %(age)s::interval;

-- name: differing_facts
-- Rows that are not as their last change says.
SELECT kind, key, name, problem FROM differing_facts() ORDER BY 1, 2;

-- name: without_act
-- Sealed changes of transactions without a line in the log.
SELECT kind, key, how, at FROM fact_change WHERE NOT is_act ORDER BY change_id;

-- name: note_parts
-- From now on changes of rows before the settled time are noted, in each part; in the time zone of its trial, or of the installation.
INSERT INTO sealed_part AS p (kind, part, noted_until, time_zone)
SELECT k.kind, k.part, date_trunc('day', %(settled)s::timestamptz, k.zone), k.zone FROM (
    SELECT b.kind, s.datastream_id AS part, known_zone(t.time_zone) AS zone
    FROM datastream s JOIN device d USING (device_id) JOIN trial t USING (trial_id)
    CROSS JOIN unnest('{observation,withdrawn_observation,correction,quality_flag}'::text[]) AS b(kind)
    UNION ALL SELECT 'device_status', d.device_id, known_zone(t.time_zone) FROM device d JOIN trial t USING (trial_id)
    UNION ALL SELECT b.kind, 0, known_zone(%(zone)s::text) FROM unnest('{reject,reject_overflow,ledger,ledger_reason}'::text[]) AS b(kind)) k
ON CONFLICT (kind, part) DO UPDATE SET noted_until = excluded.noted_until, time_zone = excluded.time_zone
WHERE excluded.noted_until > p.noted_until;

-- name: barrier
-- Transactions below this number may not have seen what was committed before.
SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint;

-- name: oldest
-- Every transaction below this number has ended, and every statement that began before it.
SELECT least(pg_snapshot_xmin(n.now)::text::bigint, pg_snapshot_xmax(n.now)::text::bigint - coalesce((
    SELECT max(age(a.backend_xmin)) FROM pg_stat_activity a
    WHERE a.backend_xmin IS NOT NULL AND a.datname = current_database() AND a.pid <> pg_backend_pid()), 0))
FROM (SELECT pg_current_snapshot() AS now) n;

-- name: seal_days
-- Seal the days that are noted and not sealed yet, as they are now, with what was noted meanwhile. One statement, so one view of it all.
-- Without datastreams that have packed results in these days.
WITH ready AS MATERIALIZED (
    SELECT kind, part, sealed_until, noted_until, time_zone FROM sealed_part
    WHERE sealed_until < noted_until AND NOT is_packed(kind, part, sealed_until, noted_until)
), day AS MATERIALIZED (
    SELECT p.kind, p.part, greatest(r.day, p.sealed_until) AS from_time, least(date_add(r.day, '1 day', p.time_zone), p.noted_until) AS to_time
    FROM ready p CROSS JOIN LATERAL (
        SELECT DISTINCT date_trunc('day', x.at, p.time_zone) AS day FROM sealable_row x
        WHERE x.kind = p.kind AND x.part = p.part AND x.at >= p.sealed_until AND x.at < p.noted_until) r
), gone AS (
    DELETE FROM row_change c USING ready p WHERE c.kind = p.kind AND c.part = p.part AND c.at >= p.sealed_until AND c.at < p.noted_until
), moved AS (
    UPDATE sealed_part s SET sealed_until = p.noted_until FROM ready p WHERE s.kind = p.kind AND s.part = p.part
)
INSERT INTO sealed_day (seal_id, kind, part, from_time, to_time, rows, sha256)
SELECT %(seal)s::int, d.kind, d.part, d.from_time, d.to_time, c.rows, c.sha256
FROM day d CROSS JOIN LATERAL content_of(d.kind, d.part, d.from_time, d.to_time, false) c;

-- name: seal_again
-- Seal the days again in which acts of Insitu changed something, if nothing else did. Without packed ones.
WITH fitting AS MATERIALIZED (
    SELECT n.kind, n.part, n.from_time, n.to_time FROM noted_day n
    CROSS JOIN LATERAL content_of(n.kind, n.part, n.from_time, n.to_time, true) c
    WHERE n.explained AND c.sha256 = n.sha256 AND NOT is_packed(n.kind, n.part, n.from_time, n.to_time)
), gone AS (
    DELETE FROM row_change c USING fitting f
    WHERE c.kind = f.kind AND c.part = f.part AND c.at >= f.from_time AND c.at < f.to_time
)
INSERT INTO sealed_day (seal_id, kind, part, from_time, to_time, rows, sha256)
SELECT %(seal)s::int, f.kind, f.part, f.from_time, f.to_time, c.rows, c.sha256
FROM fitting f CROSS JOIN LATERAL content_of(f.kind, f.part, f.from_time, f.to_time, false) c;

-- name: day_seals
-- Each seal of days: how many days and rows it has, and their hash.
SELECT seal_id, count(*)::int AS days, sum(rows)::bigint AS rows, encode(sha256(convert_to(string_agg(concat_ws(' ', kind, part,
           extract(epoch FROM from_time), extract(epoch FROM to_time), rows, sha256), chr(10) ORDER BY kind COLLATE "C", part, from_time), 'UTF8')), 'hex') AS sha256
FROM sealed_day WHERE %(seal)s::int IS NULL OR seal_id = %(seal)s::int GROUP BY 1 ORDER BY 1;

-- name: part_digest
-- The hash of how far each part is sealed.
SELECT encode(sha256(convert_to(coalesce(string_agg(concat_ws(' ', kind, part, extract(epoch FROM sealed_until)),
           chr(10) ORDER BY kind COLLATE "C", part), ''), 'UTF8')), 'hex') FROM sealed_part WHERE sealed_until > '-infinity';

-- name: seal_lines
-- The lines of the audit log about seals.
SELECT audit_id, subject, detail FROM audit WHERE action = 'seal' ORDER BY audit_id;

-- name: sealed_rows
-- How many rows and days are sealed.
SELECT coalesce(sum(rows), 0)::bigint AS rows, count(*)::bigint AS days FROM (
    SELECT DISTINCT ON (kind, part, from_time) rows FROM sealed_day ORDER BY kind, part, from_time, seal_id DESC) x;

-- name: differing_days
-- Days whose rows are not those of their seal; about a number of rows, in an order that differs each time. Without packed ones.
WITH newest AS MATERIALIZED (
    SELECT kind, part, from_time, to_time, rows, sha256, sum(rows) OVER (ORDER BY md5(concat(%(salt)s::text, kind, part, from_time))) AS before
    FROM (SELECT DISTINCT ON (kind, part, from_time) kind, part, from_time, to_time, rows, sha256
          FROM sealed_day ORDER BY kind, part, from_time, seal_id DESC) x
)
SELECT n.kind, n.part, n.from_time, n.to_time, c.rows - n.rows AS more
FROM newest n CROSS JOIN LATERAL content_of(n.kind, n.part, n.from_time, n.to_time, true) c
WHERE n.before - n.rows <= %(most)s::bigint AND NOT is_packed(n.kind, n.part, n.from_time, n.to_time) AND c.sha256 <> n.sha256
ORDER BY 1, 2, 3;

-- name: unexplained_days
-- Sealed days with results that are no longer what they were, and no act explains it; perhaps a packed result does.
SELECT n.kind, n.part, n.from_time, n.to_time, n.doubtful, n.doubtful_was,
       (SELECT array_agg(p.columns) FROM packed_day p WHERE n.kind = 'observation' AND p.datastream_id = n.part
        AND p.start_time > n.from_time - interval '33 days' AND p.start_time < n.to_time AND p.end_time > n.from_time) AS packed
FROM noted_day n WHERE NOT n.explained ORDER BY 1, 2, 3;

-- name: strange_parts
-- Parts that have another number of sealed rows than their days; the packed ones are not counted, so those parts are searched.
WITH newest AS MATERIALIZED (
    SELECT kind, part, sum(rows) AS rows FROM (SELECT DISTINCT ON (kind, part, from_time) kind, part, rows FROM sealed_day
                                               ORDER BY kind, part, from_time, seal_id DESC) x GROUP BY 1, 2
), here AS MATERIALIZED (
    SELECT p.kind, p.part, p.sealed_until, (SELECT count(*) FROM sealable_row r WHERE r.kind = p.kind AND r.part = p.part AND r.at < p.sealed_until)
           - (SELECT count(*) FROM first_note c WHERE c.kind = p.kind AND c.part = p.part AND c.at < p.sealed_until AND EXISTS (
                  SELECT FROM sealable_row r WHERE r.kind = c.kind AND r.part = c.part AND r.at = c.at AND r.key = c.key))
           + (SELECT count(*) FROM first_note c WHERE c.kind = p.kind AND c.part = p.part AND c.at < p.sealed_until AND c.was IS NOT NULL) AS rows
    FROM sealed_part p
)
SELECT h.kind, h.part, r.from_time, r.to_time, r.more FROM here h LEFT JOIN newest n USING (kind, part) CROSS JOIN LATERAL (
    SELECT min(x.at) AS from_time, max(x.at) AS to_time, count(*) AS more FROM sealable_row x
    WHERE x.kind = h.kind AND x.part = h.part AND x.at < h.sealed_until
      AND NOT EXISTS (SELECT FROM sealed_day d WHERE d.kind = x.kind AND d.part = x.part AND d.from_time <= x.at AND d.to_time > x.at
                      AND d.from_time > x.at - interval '2 days')
      AND NOT EXISTS (SELECT FROM row_change c WHERE c.kind = x.kind AND c.part = x.part AND c.at = x.at AND c.key = x.key)) r
WHERE (h.rows <> coalesce(n.rows, 0) OR is_packed(h.kind, h.part, '-infinity', h.sealed_until)) AND r.more > 0 ORDER BY 1, 2;

-- name: part_names
-- Names of the parts.
SELECT 'datastream' AS kind, s.datastream_id AS part, t.code || '/' || d.code || '/' || s.name AS name
FROM datastream s JOIN device d USING (device_id) JOIN trial t USING (trial_id)
UNION ALL SELECT 'device', d.device_id, t.code || '/' || d.code FROM device d JOIN trial t USING (trial_id);
