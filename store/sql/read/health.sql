-- name: said
-- What a device said since `start` of its battery (the median of each six hours, at the last status in them), of its uptime (statuses
-- before and after it seems to have started again), and of its firmware (where it changed, oldest first; null for the first one).
WITH s AS MATERIALIZED (
    SELECT at, battery, uptime, firmware FROM device_status
    WHERE device_id = %(device_id)s::int AND at >= %(start)s::timestamptz AND at <= %(now)s::timestamptz
), levels AS (
    SELECT max(at) AS at, percentile_cont(0.5) WITHIN GROUP (ORDER BY battery) AS percent FROM s WHERE battery IS NOT NULL
    GROUP BY date_bin('6 hours', at, '2000-01-01T00:00:00Z')
), uptimes AS (
    SELECT at, uptime, lag(at) OVER w AS was_at, lag(uptime) OVER w AS was FROM s WHERE uptime BETWEEN 0 AND 3e9 WINDOW w AS (ORDER BY at)
), starts AS (
    SELECT * FROM uptimes WHERE uptime - was + 30 < extract(epoch FROM at - was_at)
), firmwares AS (
    SELECT at, firmware, lag(firmware) OVER (ORDER BY at) AS was FROM s WHERE firmware IS NOT NULL
)
SELECT (SELECT coalesce(array_agg(at ORDER BY at), '{}') FROM levels) AS level_at,
       (SELECT coalesce(array_agg(percent ORDER BY at), '{}') FROM levels) AS level_percent,
       (SELECT coalesce(array_agg(was_at ORDER BY at), '{}') FROM starts) AS before_at,
       (SELECT coalesce(array_agg(was ORDER BY at), '{}') FROM starts) AS before_uptime_s,
       (SELECT coalesce(array_agg(at ORDER BY at), '{}') FROM starts) AS after_at,
       (SELECT coalesce(array_agg(uptime ORDER BY at), '{}') FROM starts) AS after_uptime_s,
       (SELECT coalesce(array_agg(firmware ORDER BY at), '{}') FROM firmwares WHERE was IS DISTINCT FROM firmware) AS firmware,
       (SELECT coalesce(array_agg(CASE WHEN was IS NOT NULL THEN at END ORDER BY at), '{}')
        FROM firmwares WHERE was IS DISTINCT FROM firmware) AS firmware_since;

-- name: fared
-- Outcomes of the messages of a device, altogether and since an hour; replays are none.
SELECT coalesce(sum(received), 0)::bigint AS received, coalesce(sum(accepted), 0)::bigint AS accepted,
       coalesce(sum(partly), 0)::bigint AS partly, coalesce(sum(rejected), 0)::bigint AS rejected,
       coalesce(sum(repeated), 0)::bigint AS repeated,
       coalesce(sum(received) FILTER (WHERE hour >= %(start)s::timestamptz), 0)::bigint AS lately_received,
       coalesce(sum(partly) FILTER (WHERE hour >= %(start)s::timestamptz), 0)::bigint AS lately_partly,
       coalesce(sum(rejected) FILTER (WHERE hour >= %(start)s::timestamptz), 0)::bigint AS lately_rejected,
       coalesce(sum(repeated) FILTER (WHERE hour >= %(start)s::timestamptz), 0)::bigint AS lately_repeated
FROM ledger WHERE trial = %(trial)s::text AND device = %(device)s::text AND reject_id = 0;
