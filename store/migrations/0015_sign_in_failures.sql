-- Failed sign-ins are counted here, so that several processes share the count and a restart does not forgive them.

CREATE TABLE sign_in_failure (
    key      bytea PRIMARY KEY CHECK (octet_length(key) = 32), -- SHA-256 of the address, or of address and login: neither is kept
    failures int NOT NULL,
    since    timestamptz NOT NULL -- of the first of them
);
CREATE INDEX sign_in_failure_by_since ON sign_in_failure (since); -- serves drop_old_failures
