-- One device that floods costs itself only: refusals are kept up to a bound and counted beyond it, and its credential is suspended.

-- How much of a device's refused messages is kept, by hour of receipt.
CREATE TABLE reject_kept (
    trial  text NOT NULL,
    device text NOT NULL, -- 'unknown' where the topic names none that is known
    hour   timestamptz NOT NULL,
    bytes  bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (trial, device, hour)
);

-- Refusals beyond that: counted in the ledger as every other, without their bytes.
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

-- Wall clock. The broker lets nobody in by a suspended credential; it is let in again by itself.
ALTER TABLE credential
    ADD suspended_at      timestamptz,
    ADD suspended_until   timestamptz,
    ADD suspended_bytes   bigint,           -- what was sent, and in which time
    ADD suspended_seconds double precision,
    ADD suspended_step    int NOT NULL DEFAULT 0, -- how many in a row: each doubles the time
    ADD suspensions       bigint NOT NULL DEFAULT 0; -- ever
