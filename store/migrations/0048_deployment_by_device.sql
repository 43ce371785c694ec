-- The place of each device of a fleet (queries `fleet` and `places`): the index of the exclusion is by ranges of numbers, so without this one
-- the database read every deployment for every device, a hundred million rows for ten thousand devices.
CREATE INDEX deployment_by_device ON deployment (device_id);
