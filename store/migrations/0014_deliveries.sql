-- A delivery is known within its scope: packet ids begin again with each life of the broker, and come round after 65,535 messages.

ALTER TABLE shard ADD committed_messages bigint NOT NULL DEFAULT 0; -- at QoS 1, repeats too: how far the packet ids may have moved on

-- What is there was kept without its scope, so that no repeat of it can be told from another message.
TRUNCATE delivery;
ALTER TABLE delivery
    ADD life   text NOT NULL DEFAULT '', -- of the broker's process, or of the connection where nobody says which process it is
    ADD number bigint NOT NULL DEFAULT 0, -- shard.committed_messages when it was committed
    DROP CONSTRAINT delivery_pkey,
    ADD PRIMARY KEY (client_id, life, mid, sha256);
CREATE INDEX delivery_by_number ON delivery (client_id, number); -- serves drop_deliveries
