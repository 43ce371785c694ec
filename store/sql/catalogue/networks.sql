-- name: network_server
-- A network server by code.
SELECT network_server_id, code, kind FROM network_server WHERE code = %(code)s::text;

-- name: addresses
-- The addresses of a network server, or one address.
SELECT a.address, n.code AS network_server, t.code AS trial, d.code AS device FROM network_address a
JOIN network_server n USING (network_server_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
WHERE (n.code = %(network_server)s::text OR a.address = %(address)s::text) ORDER BY a.address;

-- name: add_network_server
-- A server that publishes for many devices.
INSERT INTO network_server (code, kind, created_at) VALUES (%(code)s::text, %(kind)s::text, %(now)s::timestamptz)
RETURNING network_server_id;

-- name: add_address
-- The address of a device at a network server.
INSERT INTO network_address (address, network_server_id, device_id)
SELECT %(address)s::text, network_server_id, %(device_id)s::int FROM network_server
WHERE code = %(network_server)s::text AND starts_with(%(address)s::text, kind || '/');
