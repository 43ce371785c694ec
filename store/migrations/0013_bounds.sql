-- A flooding device harms only itself: refusals are kept up to a bound and then only counted, and its credential is suspended.

-- Bytes kept of a device's refused messages, by hour of receipt.
CREATE TABLE reject_kept (
    trial  text NOT NULL,
    device text NOT NULL, -- 'unknown' if the topic names no known device
    hour   timestamptz NOT NULL,
    bytes  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (trial, device, hour)
);

-- Refusals beyond the bound: counted in the ledger like all others, without their bytes.
CREATE TABLE reject_overflow (
    trial    text NOT NULL,
    device   text NOT NULL,
    hour     timestamptz NOT NULL,
    reason   text NOT NULL,
    messages bigint NOT NULL,
    results  bigint NOT NULL,
    bytes    bigint NOT NULL, -- as received
    first_at timestamptz NOT NULL,
    last_at  timestamptz NOT NULL,
    PRIMARY KEY (trial, device, hour, reason)
);

-- Wall clock. The broker accepts nobody with a suspended credential. The suspension ends by itself.
ALTER TABLE credential
    ADD suspended_at      timestamptz,
    ADD suspended_until   timestamptz,
    ADD suspended_bytes   bigint, -- bytes sent within suspended_seconds
    ADD suspended_seconds double precision,
    ADD suspended_step    int NOT NULL DEFAULT 0, -- suspensions in a row: each doubles the time
    ADD suspensions       bigint NOT NULL DEFAULT 0; -- in all
