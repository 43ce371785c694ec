-- A device may publish anywhere below its own name, and on fixed topics that it cannot change; messages that a broker denies are counted.

-- Topics outside Insitu's own names, for devices whose program decides where they publish. A topic has one device.
CREATE TABLE fixed_topic (
    topic      text PRIMARY KEY CHECK (topic !~ '[+#[:cntrl:]]' AND topic !~ '^(\$|insitu/|insitu$)'),
    device_id  int NOT NULL REFERENCES device,
    suffix     text CHECK (suffix IN ('obs', 'status', 'senml', 'influx', 'telemetry')), -- read as if published there
    field      text, -- the payload is one plain value of this name
    created_at timestamptz NOT NULL,
    CHECK (num_nonnulls(suffix, field) <= 1) -- neither: heard, counted, and not stored
);
CREATE INDEX fixed_topic_by_device ON fixed_topic (device_id); -- serves active_credentials

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON fixed_topic
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();
CREATE TRIGGER credentials_changed AFTER INSERT OR UPDATE OR DELETE ON fixed_topic
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();

-- A broker acknowledges and loses what no session hears, so rights follow the sessions' filters.
CREATE OR REPLACE FUNCTION trial_is_heard(trial text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT (SELECT wanted = 1 FROM shard_count)
        OR EXISTS (SELECT FROM shard WHERE subscribed_at IS NOT NULL
                   AND filters && ARRAY['insitu/v1/+/+/obs', 'insitu/v1/+/+/#',
                                        'insitu/v1/' || trial || '/+/+', 'insitu/v1/' || trial || '/+/#'])
$$;

-- False while the trial's session still has only the filters of an earlier version, which hear the named suffixes.
CREATE FUNCTION trial_is_heard_below(trial text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM shard WHERE filters && ARRAY['insitu/v1/+/+/#', 'insitu/v1/' || trial || '/+/#'])
        OR NOT EXISTS (SELECT FROM shard WHERE filters && ARRAY['insitu/v1/+/+/obs', 'insitu/v1/' || trial || '/+/+'])
$$;

-- True if a session has a filter that matches the fixed topic; such filters have one-level wildcards only.
CREATE FUNCTION topic_is_heard(topic text) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (
        SELECT FROM shard s, unnest(s.filters) AS f(filter)
        WHERE s.subscribed_at IS NOT NULL AND filter !~ '#' AND (
            SELECT bool_and(coalesce(wanted = level OR (wanted = '+' AND level IS NOT NULL), false))
            FROM unnest(string_to_array(filter, '/'), string_to_array(topic, '/')) AS x(wanted, level)))
$$;

-- Messages that the broker acknowledged and denied, read from its log, by credential and hour; and connections that another client
-- with the same id ended. Wall clock. Bounded: one row a credential, hour and kind; old ones are dropped.
CREATE TABLE broker_event (
    username   text NOT NULL, -- of the broker; empty: the log does not say whose it was
    hour       timestamptz NOT NULL,
    kind       text NOT NULL CHECK (kind IN ('publish_denied', 'taken_over')),
    events     bigint NOT NULL,
    first_at   timestamptz NOT NULL,
    last_at    timestamptz NOT NULL,
    last_topic text NOT NULL, -- for taken_over: the client id
    by_other   boolean NOT NULL DEFAULT false, -- of taken_over: another credential did it
    told       bigint NOT NULL DEFAULT 0, -- of the events, those that the device was told on its topic rejected
    told_at    timestamptz,
    PRIMARY KEY (username, hour, kind)
);
CREATE INDEX broker_event_by_age ON broker_event (last_at); -- serves drop_old_events
CREATE INDEX broker_event_untold ON broker_event (last_at) WHERE told < events; -- serves take_untold

-- How far the log has been read. A reader counts and moves on in one transaction, so no line counts twice.
CREATE TABLE broker_log (
    path   text PRIMARY KEY,
    inode  bigint NOT NULL,
    offset_bytes bigint NOT NULL,
    read_at timestamptz NOT NULL,
    missed boolean NOT NULL DEFAULT false -- lines were overwritten before they were read
);
