-- The deliveries of one batch of a session as one row, for each life of the broker: a row for each message, with two indexes, cost the
-- database as much as storing ten results. `delivery` keeps what is claimed one by one: frames of radio networks, and refusals that were
-- only counted.
CREATE TABLE delivered_batch (
    client_id text NOT NULL,
    number bigint NOT NULL,
    newest_at timestamptz NOT NULL,
    kept_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    life text NOT NULL,
    mids int[] NOT NULL,
    hashes bytea[] NOT NULL,
    received timestamptz[] NOT NULL
);
CREATE INDEX delivered_batch_by_number ON delivered_batch (client_id, number);

INSERT INTO delivered_batch (client_id, number, newest_at, kept_at, life, mids, hashes, received)
SELECT client_id, number, max(received_at), max(kept_at), life, array_agg(mid), array_agg(sha256), array_agg(received_at)
FROM delivery WHERE client_id NOT IN ('frames', 'overflow') GROUP BY client_id, number, life;
DELETE FROM delivery WHERE client_id NOT IN ('frames', 'overflow');
DROP INDEX delivery_by_number;
