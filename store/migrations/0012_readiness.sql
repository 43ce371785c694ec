-- Ready means that a device which connects now gets its message into the database: a probe tries it, again and again.

-- The newest message of each prober that was committed, by the session that brought it. Wall clock. Written in the
-- transaction of the batch in which it came, and read by the prober: no observation, no line of the ledger.
CREATE TABLE probe (
    prober       text NOT NULL,     -- the boot of its messages
    shard_id     int NOT NULL,
    seq          bigint NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (prober, shard_id)
);
CREATE INDEX probe_by_age ON probe (committed_at); -- serves drop_old_probes
