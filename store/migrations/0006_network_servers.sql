-- Devices behind a network server (ChirpStack, The Things Stack, a Sparkplug edge), which publishes for them on its own topics.
-- An address has one server and one device, so the topic identifies the device.

CREATE TABLE network_server (
    network_server_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    code              text NOT NULL UNIQUE CHECK (code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'),
    kind              text NOT NULL CHECK (kind IN ('chirpstack', 'things_stack', 'sparkplug')),
    created_at        timestamptz NOT NULL
);

CREATE TABLE network_address (
    address           text PRIMARY KEY, -- chirpstack/DEVEUI, things_stack/APPLICATION/DEVICE, sparkplug/GROUP/EDGE[/DEVICE]
    network_server_id int NOT NULL REFERENCES network_server,
    device_id         int NOT NULL REFERENCES device
);
CREATE INDEX network_address_by_server ON network_address (network_server_id); -- serves active_credentials
CREATE INDEX network_address_by_device ON network_address (device_id);         -- serves device pages

CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON network_address
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();

-- Its credential may publish for the devices on its list, so a change of the list changes the users of the broker.
ALTER TABLE credential ADD network_server_id int REFERENCES network_server;
ALTER TABLE credential DROP CONSTRAINT credential_check;
ALTER TABLE credential ADD CONSTRAINT credential_of_one
    CHECK (num_nonnulls(device_id, network_server_id) = 1 OR (num_nonnulls(device_id, network_server_id) = 0 AND username LIKE 'check.%'));
CREATE TRIGGER credentials_changed AFTER INSERT OR UPDATE OR DELETE ON network_address
    FOR EACH STATEMENT EXECUTE FUNCTION credentials_changed();

-- Status of a device as reported by a radio network.
ALTER TABLE device_status ADD snr double precision, ADD margin double precision, ADD note text; -- dB, dB
ALTER TABLE device_contact ADD snr double precision, ADD margin double precision;

-- The last birth of a Sparkplug edge node or device, which defines its aliases until the next birth.
CREATE TABLE sparkplug_birth (
    address  text PRIMARY KEY, -- sparkplug/GROUP/EDGE[/DEVICE]
    alive    boolean NOT NULL,
    bd_seq   bigint, -- of the node's birth: a death with another bdSeq belongs to an older birth
    seq      smallint,         -- of the newest message of the edge node, 0 to 255; null on devices
    stamp_us bigint,           -- its time, by the edge node's clock
    born_at  timestamptz NOT NULL,
    aliases  jsonb NOT NULL,   -- alias → [name, datatype]
    since_us bigint, -- the aliases hold from this time, by the edge node's clock
    previous jsonb NOT NULL -- aliases of the birth before, for older data that arrives late
);

-- Source of a datastream's expected interval.
ALTER TABLE datastream ADD interval_reported boolean NOT NULL DEFAULT false; -- true: reported by the device, declared by nobody
