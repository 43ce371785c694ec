-- A delivery is identified within its scope: packet ids restart with each life of the broker, and repeat after 65,535 messages.

ALTER TABLE shard ADD committed_messages bigint NOT NULL DEFAULT 0; -- at QoS 1, including repeats: how far the packet ids may have advanced

-- The present rows have no scope, so a repeat of one cannot be distinguished from another message.
TRUNCATE delivery;
ALTER TABLE delivery
    ADD life   text NOT NULL DEFAULT '', -- of the broker's process, or of the connection if the process is unknown
    ADD number bigint NOT NULL DEFAULT 0, -- shard.committed_messages when it was committed
    DROP CONSTRAINT delivery_pkey,
    ADD PRIMARY KEY (client_id, life, mid, sha256);
CREATE INDEX delivery_by_number ON delivery (client_id, number); -- serves drop_deliveries
