-- Health of a broker session for operators: how often its connection broke, and how many messages may be in flight.

ALTER TABLE shard
    ADD disconnects bigint NOT NULL DEFAULT 0, -- connections that broke
    ADD window_size int; -- messages in flight for each subscription, as set by its ingestor; null before the first one ran
