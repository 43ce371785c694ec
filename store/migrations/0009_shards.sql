-- Several shards with leases: an ingestor records its lease here and proves it in every transaction that it commits.

ALTER TABLE shard
    ADD holder          text,        -- the ingestor that has the lease
    ADD holder_backend  int, -- its connection to this server; if that ends, the lease ends
    ADD holder_since    timestamptz, -- start of that connection, because backend numbers are reused
    ADD lease_until     timestamptz; -- for an ingestor whose machine died while its connection looks alive

-- Living ingestors share the shards evenly. Wall clock.
CREATE TABLE ingestor (
    holder  text PRIMARY KEY,
    name    text NOT NULL, -- host and process, for people
    seen_at timestamptz NOT NULL
);

-- A single shard hears every trial; with several, each trial is heard by its own shard.
ALTER TABLE trial ADD shard_id int NOT NULL DEFAULT 0;

CREATE TABLE shard_count (only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row), wanted int NOT NULL CHECK (wanted BETWEEN 1 AND 64));
INSERT INTO shard_count (wanted) VALUES (1);

-- Messages published before a session hears the trial would be lost, so credentials are withheld until then.
CREATE FUNCTION trial_is_heard(trial text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT (SELECT wanted = 1 FROM shard_count)
        OR EXISTS (SELECT FROM shard WHERE subscribed_at IS NOT NULL
                   AND filters && ARRAY['insitu/v1/+/+/obs', 'insitu/v1/' || trial || '/+/+'])
$$;
CREATE TRIGGER credentials_changed AFTER UPDATE OF filters ON shard
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();
