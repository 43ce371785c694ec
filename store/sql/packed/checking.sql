-- name: all_days
-- Every packed day with its summary, and the observations of its time.
SELECT p.datastream_id, p.start_time, p.end_time, l.packed_to,
       (SELECT array_agg(o.phenomenon_time) FROM observation o WHERE o.datastream_id = p.datastream_id
        AND o.phenomenon_time >= p.start_time AND o.phenomenon_time < p.end_time) AS beside, p.columns,
       p.n, p.suspect, p.failed, p.unnumbered, p.first_received, p.last_received, p.smallest, p.largest, p.total
FROM packed_day p LEFT JOIN datastream_latest l USING (datastream_id) ORDER BY p.datastream_id, p.start_time;

-- name: sizes
-- Bytes of the observations and of the packed days, with indexes; a hypertable's chunks are its children.
SELECT (SELECT sum(pg_total_relation_size(x.oid))::bigint FROM (
            SELECT 'observation'::regclass::oid AS oid UNION SELECT inhrelid FROM pg_inherits WHERE inhparent = 'observation'::regclass) x),
       pg_total_relation_size('packed_day');

-- name: settle
-- Do now what autovacuum would do soon.
VACUUM (ANALYZE) observation, packed_day;
