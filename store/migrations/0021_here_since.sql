-- A datastream is silent since the device has been there: after an outage it counts from the device's first word, which a heartbeat
-- does not move. Null: there without a longer silence since it was first seen.
ALTER TABLE device_contact ADD here_since timestamptz;
