-- name: lock_sequences
-- What is accounted for of some boots; held until the batch is committed. In order, so that two writers cannot deadlock.
SELECT b.device_id, b.boot, b.seen::text FROM boot_sequence b
JOIN unnest(%(device_ids)s::int[], %(boots)s::text[]) AS k(device_id, boot) USING (device_id, boot)
ORDER BY b.device_id, b.boot FOR UPDATE OF b;

-- name: begin_sequences
-- Boots that nothing was known of a moment ago. A row that is not there cannot be held, so it is made, or waited for where another
-- writer makes it now; what that one has committed is then seen.
INSERT INTO boot_sequence AS b (device_id, boot, seen, first_seen_at, last_seen_at)
SELECT device_id, boot, '{}'::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[]) AS k(device_id, boot) ORDER BY 1, 2
ON CONFLICT (device_id, boot) DO UPDATE SET last_seen_at = b.last_seen_at RETURNING device_id, boot, seen::text;

-- name: save_sequences
-- The same, after the batch.
INSERT INTO boot_sequence (device_id, boot, seen, first_seen_at, last_seen_at)
SELECT device_id, boot, seen::int8multirange, %(now)s::timestamptz, %(now)s::timestamptz
FROM unnest(%(device_ids)s::int[], %(boots)s::text[], %(seen)s::text[]) AS k(device_id, boot, seen) ORDER BY 1, 2
ON CONFLICT (device_id, boot) DO UPDATE SET seen = boot_sequence.seen + excluded.seen, last_seen_at = excluded.last_seen_at;

-- name: known_deliveries
-- Which deliveries of messages without time and seq were committed before, and may still be repeated.
SELECT d.life, d.mid, d.sha256, d.received_at FROM delivery d
JOIN unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[]) AS k(life, mid, sha256) USING (life, mid, sha256)
WHERE d.client_id = %(client_id)s::text AND d.number > %(above)s::bigint
  AND d.kept_at > clock_timestamp() - %(age)s::interval;

-- name: save_deliveries
-- So that a repeat of them is known as one. Where the packet id was another message's before, it is this one's now.
INSERT INTO delivery (client_id, life, mid, sha256, received_at, number)
SELECT %(client_id)s::text, life, mid, sha256, received_at, %(number)s::bigint
FROM unnest(%(lives)s::text[], %(mids)s::int[], %(hashes)s::bytea[], %(received)s::timestamptz[])
     AS k(life, mid, sha256, received_at) ORDER BY 2, 3, 4
ON CONFLICT (client_id, life, mid, sha256)
DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp(), number = excluded.number;

-- name: claim_frames
-- Radio frames, of those offered, that are new or too long ago. In order; where another writer brings the same one now, it is waited for.
INSERT INTO delivery AS d (client_id, life, mid, sha256, received_at, number)
SELECT %(client_id)s::text, '', 0, sha256, received_at, 0
FROM unnest(%(hashes)s::bytea[], %(received)s::timestamptz[]) AS k(sha256, received_at) ORDER BY sha256
ON CONFLICT (client_id, life, mid, sha256) DO UPDATE SET received_at = excluded.received_at, kept_at = clock_timestamp()
WHERE d.kept_at < clock_timestamp() - %(age)s::interval RETURNING sha256;

-- name: drop_deliveries
-- Those whose packet ids may belong to other messages by now.
DELETE FROM delivery WHERE client_id = %(client_id)s::text AND number <= %(upto)s::bigint;

-- name: drop_old_deliveries
-- Those that the broker, connected all the while, would have repeated long ago.
DELETE FROM delivery WHERE client_id = %(client_id)s::text AND kept_at < clock_timestamp() - %(age)s::interval;

-- name: overflow
-- What was refused and not kept, newest hour first.
SELECT trial, device, hour, reason, messages, results, bytes, first_at, last_at FROM reject_overflow
WHERE (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
  AND (%(devices)s::text[] IS NULL OR trial || '/' || device = ANY(%(devices)s::text[]))
  AND (%(device)s::text IS NULL OR device = %(device)s::text) AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
ORDER BY hour DESC, trial, device, reason LIMIT %(most)s::int;

-- name: add_ledger
-- Counts of a batch; counters only grow.
INSERT INTO ledger AS l (trial, device, hour, reject_id, received, accepted, partly, rejected, repeated, contained, stored,
                         duplicate, conflicting, refused, ignored)
SELECT * FROM unnest(%(trials)s::text[], %(devices)s::text[], %(hours)s::timestamptz[], %(reject_ids)s::bigint[],
                     %(received)s::bigint[], %(accepted)s::bigint[], %(partly)s::bigint[], %(rejected)s::bigint[],
                     %(repeated)s::bigint[], %(contained)s::bigint[], %(stored)s::bigint[], %(duplicate)s::bigint[],
                     %(conflicting)s::bigint[], %(refused)s::bigint[], %(ignored)s::bigint[]) AS k
ORDER BY 1, 2, 3, 4
ON CONFLICT (trial, device, hour, reject_id) DO UPDATE SET
    received = l.received + excluded.received, accepted = l.accepted + excluded.accepted, partly = l.partly + excluded.partly,
    rejected = l.rejected + excluded.rejected, repeated = l.repeated + excluded.repeated,
    contained = l.contained + excluded.contained, stored = l.stored + excluded.stored,
    duplicate = l.duplicate + excluded.duplicate, conflicting = l.conflicting + excluded.conflicting,
    refused = l.refused + excluded.refused, ignored = l.ignored + excluded.ignored;

-- name: add_reasons
-- The refused and the ignored, by reason.
INSERT INTO ledger_reason AS l (trial, device, hour, reject_id, outcome, reason, messages, results)
SELECT * FROM unnest(%(trials)s::text[], %(devices)s::text[], %(hours)s::timestamptz[], %(reject_ids)s::bigint[],
                     %(outcomes)s::text[], %(reasons)s::text[], %(messages)s::bigint[], %(results)s::bigint[]) AS k
ORDER BY 1, 2, 3, 4, 5, 6
ON CONFLICT (trial, device, hour, reject_id, outcome, reason) DO UPDATE SET
    messages = l.messages + excluded.messages, results = l.results + excluded.results;

-- name: touch_devices
-- Signs of life. The clock's offset is the largest of the current six hours and of those before: see migration 0007.
INSERT INTO device_contact AS c (device_id, first_seen_at, last_seen_at, clock_offset, clock_since, clock_largest)
SELECT device_id, seen_at, seen_at, clock_offset, CASE WHEN clock_offset IS NOT NULL THEN seen_at END, clock_offset
FROM unnest(%(device_ids)s::int[], %(seen)s::timestamptz[], %(offsets)s::float8[]) AS k(device_id, seen_at, clock_offset)
ORDER BY 1
ON CONFLICT (device_id) DO UPDATE SET last_seen_at = greatest(c.last_seen_at, excluded.last_seen_at),
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
-- What devices say of themselves; a redelivered one is the same.
INSERT INTO device_status (device_id, at, state, battery, rssi, firmware, uptime, snr, margin, note, received_at)
SELECT device_id, at, state, battery, rssi, firmware, uptime, snr, margin, note, received_at
FROM unnest(%(device_ids)s::int[], %(at)s::timestamptz[], %(states)s::text[], %(batteries)s::float8[],
                     %(rssis)s::float8[], %(firmwares)s::text[], %(uptimes)s::float8[], %(snrs)s::float8[], %(margins)s::float8[],
                     %(notes)s::text[], %(received)s::timestamptz[])
     WITH ORDINALITY AS k(device_id, at, state, battery, rssi, firmware, uptime, snr, margin, note, received_at, arrival)
ORDER BY device_id, at, arrival
ON CONFLICT (device_id, at) DO NOTHING;

-- name: touch_status
-- The newest of them, field by field.
UPDATE device_contact c SET state = coalesce(k.state, c.state), state_at = k.at, battery = coalesce(k.battery, c.battery),
    rssi = coalesce(k.rssi, c.rssi), firmware = coalesce(k.firmware, c.firmware), uptime = coalesce(k.uptime, c.uptime),
    snr = coalesce(k.snr, c.snr), margin = coalesce(k.margin, c.margin)
FROM unnest(%(device_ids)s::int[], %(at)s::timestamptz[], %(states)s::text[], %(batteries)s::float8[], %(rssis)s::float8[],
            %(firmwares)s::text[], %(uptimes)s::float8[], %(snrs)s::float8[], %(margins)s::float8[])
     AS k(device_id, at, state, battery, rssi, firmware, uptime, snr, margin)
WHERE c.device_id = k.device_id AND (c.state_at IS NULL OR c.state_at <= k.at);

-- name: recount_stored
-- Ledger against rows, by device.
WITH counted AS (SELECT trial, device, sum(stored) AS stored FROM ledger GROUP BY 1, 2),
     present AS (SELECT t.code AS trial, d.code AS device, count(*) AS n FROM observation o
                 JOIN datastream s USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
                 GROUP BY 1, 2)
SELECT trial, device, 'observations' AS what, coalesce(stored, 0)::bigint AS counted, coalesce(n, 0)::bigint AS present
FROM counted FULL JOIN present USING (trial, device) WHERE coalesce(stored, 0) <> coalesce(n, 0) ORDER BY 1, 2;

-- name: recount_rejects
-- Refusals of the ledger against rejects, kept or counted, by device.
WITH counted AS (SELECT trial, device, sum(messages) AS refused FROM ledger_reason
                 WHERE outcome = 'refused' AND reject_id = 0 GROUP BY 1, 2),
     present AS (SELECT trial, device, sum(n) AS n FROM (
                     SELECT trial, device, count(*) AS n FROM reject GROUP BY 1, 2
                     UNION ALL SELECT trial, device, sum(messages) FROM reject_overflow GROUP BY 1, 2) AS x GROUP BY 1, 2)
SELECT trial, device, 'rejects' AS what, coalesce(refused, 0)::bigint AS counted, coalesce(n, 0)::bigint AS present
FROM counted FULL JOIN present USING (trial, device) WHERE coalesce(refused, 0) <> coalesce(n, 0) ORDER BY 1, 2;

-- name: totals
-- The ledger by device, for some trials (null: all).
SELECT trial, device, sum(received)::bigint AS received, sum(accepted)::bigint AS accepted, sum(partly)::bigint AS partly,
       sum(rejected)::bigint AS rejected, sum(repeated)::bigint AS repeated, sum(contained)::bigint AS contained,
       sum(stored)::bigint AS stored, sum(duplicate)::bigint AS duplicate, sum(conflicting)::bigint AS conflicting,
       sum(refused)::bigint AS refused, sum(ignored)::bigint AS ignored
FROM ledger WHERE reject_id = 0 AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
GROUP BY trial, device ORDER BY trial, device;

-- name: reject_counts
-- Rejects of a trial by device and reason, with those that were not kept.
SELECT device, reason, sum(messages)::int AS messages, sum(results)::int AS results, max(last_at) AS last_at FROM (
    SELECT device, reason, count(*) AS messages, sum(results) AS results, max(received_at) AS last_at FROM reject
    WHERE trial = %(trial)s::text AND received_at < %(before)s::timestamptz GROUP BY 1, 2
    UNION ALL SELECT device, reason, messages, results, last_at FROM reject_overflow
    WHERE trial = %(trial)s::text AND first_at < %(before)s::timestamptz) AS x
GROUP BY 1, 2 ORDER BY 1, 2;

-- name: replayable
-- Rejects that were not replayed yet, oldest first, held until the replay is committed.
SELECT reject_id, reason, topic, payload, size, received_at, trial, device, identity FROM reject
WHERE replayed_at IS NULL AND size = length(payload) AND reject_id > %(above)s::bigint
  AND (%(trial)s::text IS NULL OR trial = %(trial)s::text) AND (%(reason)s::text IS NULL OR reason = %(reason)s::text)
  AND (%(trials)s::text[] IS NULL OR trial = ANY(%(trials)s::text[]))
ORDER BY reject_id LIMIT %(most)s::int FOR UPDATE SKIP LOCKED;

-- name: reasons_of
-- The open rejects of some messages.
SELECT identity, reason FROM reject WHERE identity = ANY(%(identities)s::bytea[]) AND replayed_at IS NULL;

-- name: mark_replayed
-- Nothing of these is refused any more.
UPDATE reject SET replayed_at = %(now)s::timestamptz WHERE reject_id = ANY(%(reject_ids)s::bigint[]);
