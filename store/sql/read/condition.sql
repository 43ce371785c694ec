-- name: contacts
-- Last status of some devices, including those that never sent one, with their trial's time zone, and how many of their messages the
-- broker denied in the last day.
SELECT d.device_id, t.time_zone, d.retired_at, c.first_seen_at, c.last_seen_at, c.state AS said, c.state_at AS said_at, c.battery,
       c.rssi, c.snr, c.margin, c.firmware, c.clock_offset, c.here_since, e.denied
FROM device_contact c RIGHT JOIN device d USING (device_id) JOIN trial t USING (trial_id) CROSS JOIN LATERAL (
    SELECT coalesce(sum(b.events), 0)::bigint AS denied FROM credential k JOIN broker_event b USING (username)
    WHERE k.device_id = d.device_id AND b.kind = 'publish_denied' AND b.last_at > clock_timestamp() - %(denied_within)s::interval) e
WHERE d.device_id = ANY(%(device_ids)s::int[]) ORDER BY d.device_id;

-- name: boots
-- When a device started, according to its messages, and whether that was its first start.
SELECT first_seen_at AS at, is_first FROM (
    SELECT first_seen_at, first_seen_at = min(first_seen_at) OVER () AS is_first FROM boot_sequence
    WHERE device_id = %(device_id)s::int) b
WHERE first_seen_at >= %(start)s::timestamptz ORDER BY 1;
