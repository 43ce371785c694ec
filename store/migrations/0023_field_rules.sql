-- How a mapping reads a field (as text, as words, as a time, as health, or not at all); remarks about devices; and what tells a
-- message from another with the same boot and seq.

-- A field that is no result has no property.
ALTER TABLE mapping ALTER property_id DROP NOT NULL,
    ADD rule jsonb NOT NULL DEFAULT '{}', -- see store.fields.FieldRule; {}: a number, or true and false
    ADD CHECK (property_id IS NOT NULL OR rule ?| ARRAY['ignore', 'health', 'time', 'expect']);
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE ON mapping
    FOR EACH STATEMENT EXECUTE FUNCTION catalogue_changed();

-- Something about a device's messages that somebody should mend although its results are stored.
CREATE TABLE device_remark (
    device_id int NOT NULL REFERENCES device,
    code      text NOT NULL CHECK (code IN ('boot_reused', 'gateway_clock', 'zero_byte', 'byte_order_mark')),
    subject   text NOT NULL DEFAULT '' CHECK (length(subject) <= 64), -- the boot, the gateway
    amount    double precision, -- s that the gateway's clock is ahead, in the last message
    messages  bigint NOT NULL,
    first_at  timestamptz NOT NULL,
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (device_id, code, subject)                                                    -- serves list_remarks
);

-- Digests of messages that only boot and seq identify, since they have no time: a block holds 256 seqs, each used one as a byte
-- (seq modulo 256) and a digest of 4 bytes. A block is dropped 30 days after its last message.
CREATE TABLE message_digest (
    device_id int NOT NULL REFERENCES device,
    boot      text NOT NULL CHECK (length(boot) <= 64),
    block     int8 NOT NULL,
    digests   bytea NOT NULL,
    last_at   timestamptz NOT NULL,
    PRIMARY KEY (device_id, boot, block)
);
