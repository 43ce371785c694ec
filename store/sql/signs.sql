-- name: touch_devices
-- Signs of life. The clock's offset is the largest of the current six hours and of the six before: see migration 0007. `here_since`
-- moves after a silence of more than two and a half intervals, and of five minutes at least; within a batch, the caller finds it.
INSERT INTO device_contact AS c (device_id, first_seen_at, last_seen_at, here_since, clock_offset, clock_since, clock_largest)
SELECT device_id, first_at, seen_at, back_at, clock_offset, CASE WHEN clock_offset IS NOT NULL THEN seen_at END, clock_offset
FROM unnest(%(device_ids)s::int[], %(first)s::timestamptz[], %(seen)s::timestamptz[], %(back)s::timestamptz[], %(offsets)s::float8[])
     AS k(device_id, first_at, seen_at, back_at, clock_offset)
ORDER BY 1
ON CONFLICT (device_id) DO UPDATE SET last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at),
    here_since = CASE WHEN excluded.here_since > c.last_seen_at THEN excluded.here_since
                      WHEN excluded.first_seen_at <= c.last_seen_at + interval '5 minutes' THEN c.here_since
                      WHEN excluded.first_seen_at > c.last_seen_at + 2.5 * coalesce(
                          (SELECT min(m.expected_interval) FROM datastream m WHERE m.device_id = c.device_id), interval '1 hour')
                      THEN excluded.first_seen_at ELSE c.here_since END,
    clock_offset = CASE WHEN excluded.clock_offset IS NULL THEN c.clock_offset
                        WHEN excluded.clock_since >= c.clock_since + interval '6 hours'
                        THEN greatest(excluded.clock_offset, c.clock_largest)
                        ELSE greatest(excluded.clock_offset, c.clock_largest, c.clock_before) END,
    clock_before = CASE WHEN excluded.clock_since >= c.clock_since + interval '6 hours' THEN c.clock_largest
                        ELSE c.clock_before END,
    clock_largest = CASE WHEN excluded.clock_since >= c.clock_since + interval '6 hours' THEN excluded.clock_offset
                         ELSE greatest(excluded.clock_offset, c.clock_largest) END,
    clock_since = CASE WHEN excluded.clock_since >= c.clock_since + interval '6 hours' THEN excluded.clock_since
                       ELSE coalesce(c.clock_since, excluded.clock_since) END;

-- name: save_statuses
-- Statuses of devices; a redelivered status changes nothing.
INSERT INTO device_status (device_id, at, state, battery, rssi, firmware, uptime, snr, margin, note, received_at)
SELECT device_id, at, state, battery, rssi, firmware, uptime, snr, margin, note, received_at
FROM unnest(%(device_ids)s::int[], %(at)s::timestamptz[], %(states)s::text[], %(batteries)s::float8[],
                     %(rssis)s::float8[], %(firmwares)s::text[], %(uptimes)s::float8[], %(snrs)s::float8[], %(margins)s::float8[],
                     %(notes)s::text[], %(received)s::timestamptz[])
     WITH ORDINALITY AS k(device_id, at, state, battery, rssi, firmware, uptime, snr, margin, note, received_at, arrival)
ORDER BY device_id, at, arrival
ON CONFLICT (device_id, at) DO NOTHING;

-- name: touch_status
-- Copy the newest status into the contact, field by field.
UPDATE device_contact c SET state = coalesce(k.state, c.state), state_at = k.at, battery = coalesce(k.battery, c.battery),
    rssi = coalesce(k.rssi, c.rssi), firmware = coalesce(k.firmware, c.firmware), uptime = coalesce(k.uptime, c.uptime),
    snr = coalesce(k.snr, c.snr), margin = coalesce(k.margin, c.margin)
FROM unnest(%(device_ids)s::int[], %(at)s::timestamptz[], %(states)s::text[], %(batteries)s::float8[], %(rssis)s::float8[],
            %(firmwares)s::text[], %(uptimes)s::float8[], %(snrs)s::float8[], %(margins)s::float8[])
     AS k(device_id, at, state, battery, rssi, firmware, uptime, snr, margin)
WHERE c.device_id = k.device_id AND (c.state_at IS NULL OR c.state_at <= k.at);
