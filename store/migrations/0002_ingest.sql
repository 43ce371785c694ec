-- The path of a message: stored rows, rejects, and the ledger that adds both up.

-- First write wins on the key. No foreign key, because with TimescaleDB the table is a hypertable. `flag` sums up the quality
-- checks (1 PASS, 2 NOT_EVALUATED, 3 SUSPECT, 4 FAIL); results never change.
CREATE TABLE observation (
    datastream_id   int NOT NULL,
    phenomenon_time timestamptz NOT NULL,
    result          double precision NOT NULL,
    received_at     timestamptz NOT NULL,
    clock_quality   smallint NOT NULL,
    flag            smallint NOT NULL DEFAULT 2,
    PRIMARY KEY (datastream_id, phenomenon_time)
);

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        PERFORM create_hypertable('observation', by_range('phenomenon_time', INTERVAL '7 days'),
                                  create_default_indexes => false);
    END IF;
END $$;

-- For each datastream: the latest result, and the first time that the quality checks have not seen.
CREATE TABLE datastream_latest (
    datastream_id   int PRIMARY KEY REFERENCES datastream,
    phenomenon_time timestamptz NOT NULL,
    result          double precision NOT NULL,
    received_at     timestamptz NOT NULL,
    unchecked_from  timestamptz
);

-- For each device: its last signs of life.
CREATE TABLE device_contact (
    device_id     int PRIMARY KEY REFERENCES device,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    state         text CHECK (state IN ('online', 'offline')),
    state_at      timestamptz,
    battery       double precision,
    rssi          double precision,
    firmware      text,
    uptime        double precision,
    clock_offset  double precision -- s, device time − receipt; running minimum of the delay, so positive = clock ahead
);

CREATE TABLE device_status (
    device_status_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    device_id        int NOT NULL REFERENCES device,
    at               timestamptz NOT NULL,
    state            text,
    battery          double precision,
    rssi             double precision,
    firmware         text,
    uptime           double precision,
    received_at      timestamptz NOT NULL,
    UNIQUE (device_id, at) -- a redelivered status is the same status; serves status_log
);

-- The accounted seqs of each boot (stored, duplicate or refused). Holes are messages lost before the broker.
CREATE TABLE boot_sequence (
    device_id     int NOT NULL REFERENCES device,
    boot          text NOT NULL CHECK (length(boot) <= 64),
    seen          int8multirange NOT NULL,
    first_seen_at timestamptz NOT NULL,
    last_seen_at  timestamptz NOT NULL,
    PRIMARY KEY (device_id, boot)
);

-- Deliveries of messages without time and seq; nothing else distinguishes a repeat from a new message. A row is dropped once the
-- broker can no longer repeat it.
CREATE TABLE delivery (
    client_id   text NOT NULL,
    mid         int NOT NULL,
    sha256      bytea NOT NULL,
    received_at timestamptz NOT NULL,
    kept_at     timestamptz NOT NULL DEFAULT clock_timestamp(), -- wall clock: the broker knows no trial clock
    PRIMARY KEY (client_id, mid, sha256)
);

CREATE TABLE reject (
    reject_id   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    reason      text NOT NULL,
    detail      text NOT NULL,
    topic       text NOT NULL,
    payload     bytea NOT NULL, -- at most the first 262,144 bytes
    size        int NOT NULL,   -- length as received
    received_at timestamptz NOT NULL,
    trial       text NOT NULL,
    device      text NOT NULL, -- 'unknown' if the topic names no known device
    results     int NOT NULL, -- results refused for this reason; 0 if the message could not be read
    identity    bytea NOT NULL,
    replayed_at timestamptz,
    UNIQUE (identity, reason) -- the same message refused again is the same reject
);
CREATE INDEX reject_by_device ON reject (trial, device, reject_id DESC); -- serves rejects, reject_counts

-- Messages: received = accepted + partly + rejected + repeated.
-- Results:  contained = stored + duplicate + conflicting + refused + ignored.
-- Written in the transaction of the rows; counters only grow. `reject_id` 0 is live traffic. A replay of a reject adds its own
-- lines, so the first refusal stays visible.
CREATE TABLE ledger (
    trial       text NOT NULL,
    device      text NOT NULL,
    hour        timestamptz NOT NULL, -- of first receipt
    reject_id   bigint NOT NULL DEFAULT 0,
    received    bigint NOT NULL DEFAULT 0,
    accepted    bigint NOT NULL DEFAULT 0,
    partly      bigint NOT NULL DEFAULT 0,
    rejected    bigint NOT NULL DEFAULT 0,
    repeated    bigint NOT NULL DEFAULT 0,
    contained   bigint NOT NULL DEFAULT 0,
    stored      bigint NOT NULL DEFAULT 0,
    duplicate   bigint NOT NULL DEFAULT 0,
    conflicting bigint NOT NULL DEFAULT 0,
    refused     bigint NOT NULL DEFAULT 0,
    ignored     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (trial, device, hour, reject_id),
    CONSTRAINT messages_add_up CHECK (received = accepted + partly + rejected + repeated),
    CONSTRAINT results_add_up CHECK (contained = stored + duplicate + conflicting + refused + ignored)
);

-- The same results, by reason.
CREATE TABLE ledger_reason (
    trial     text NOT NULL,
    device    text NOT NULL,
    hour      timestamptz NOT NULL,
    reject_id bigint NOT NULL DEFAULT 0,
    outcome   text NOT NULL CHECK (outcome IN ('refused', 'ignored')),
    reason    text NOT NULL,
    messages  bigint NOT NULL DEFAULT 0,
    results   bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (trial, device, hour, reject_id, outcome, reason)
);

-- A shard is a persistent session of the broker. It exists before the first device may publish. Its ingestor holds an advisory
-- lock while its connection is open. Times are wall clock.
CREATE TABLE shard (
    shard_id      int PRIMARY KEY,
    client_id     text NOT NULL UNIQUE, -- secret: a client that connects with it takes over the session
    filters       text[] NOT NULL,
    subscribed_at timestamptz, -- null until the broker has granted every subscription
    heartbeat_at  timestamptz,          -- last sign of life that came back through the broker
    committed_at  timestamptz,          -- last batch
    pending       int NOT NULL DEFAULT 0,
    dropped       bigint NOT NULL DEFAULT 0, -- QoS 0 messages that met a full queue
    problem       text
);
