-- name: by_day
-- Observations of some datastreams in `[start, end)`: one row for each day and datastream that has any, columns as arrays, in no
-- guaranteed order. By day, because data of one time is close together on disk; as arrays, because a row costs more than a value.
-- `codes`: flag + 16 · clock_quality + 256 if it was received more than `late_after` after its time + 512 if more than a day; in one
-- array because each costs as much again to send.
SELECT o.* FROM generate_series(%(start)s::timestamptz, %(end)s::timestamptz, interval '1 day') AS day
CROSS JOIN LATERAL (
    SELECT datastream_id, array_agg(phenomenon_time) AS times, array_agg(result) AS results,
           array_agg((flag | (clock_quality << 4)
                      | CASE WHEN received_at - phenomenon_time > %(late_after)s::interval THEN 256 ELSE 0 END
                      | CASE WHEN received_at - phenomenon_time > interval '1 day' THEN 512 ELSE 0 END)::smallint) AS codes
    FROM observation WHERE datastream_id = ANY(%(datastream_ids)s::int[]) AND phenomenon_time >= day
      AND phenomenon_time < least(day + interval '1 day', %(end)s::timestamptz) GROUP BY datastream_id) o;

-- name: snapshot
-- The snapshot of this statement, exported for another connection; null where this transaction has written, which only it can see.
SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN pg_export_snapshot() END;
