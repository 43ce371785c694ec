-- Ready means that the message of a device that connects now reaches the database: a probe tests this again and again.

-- The newest committed message of each prober, by session. Wall clock. Written in the transaction of its batch and read by the
-- prober; it is no observation and has no line in the ledger.
CREATE TABLE probe (
    prober       text NOT NULL,     -- the boot of its messages
    shard_id     int NOT NULL,
    seq          bigint NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (prober, shard_id)
);
CREATE INDEX probe_by_age ON probe (committed_at); -- serves drop_old_probes
