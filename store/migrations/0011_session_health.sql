-- What an operator asks of a session of the broker: how often its connection broke, and how much may be in flight.

ALTER TABLE shard
    ADD disconnects bigint NOT NULL DEFAULT 0, -- connections that ended by themselves
    ADD window_size int;                       -- messages in flight a subscription, as of its ingestor; null before one ran
