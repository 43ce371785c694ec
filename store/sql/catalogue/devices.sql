-- name: add_device
-- A device of a trial.
INSERT INTO device (trial_id, code, name, model, serial, created_at)
SELECT trial_id, %(code)s::text, %(name)s::text, %(model)s::text, %(serial)s::text, %(now)s::timestamptz
FROM trial WHERE code = %(trial)s::text RETURNING device_id;

-- name: find_device
-- One device by trial and code.
SELECT d.device_id, d.trial_id, t.code AS trial, d.code, d.name, d.model, d.serial, d.created_at, d.retired_at
FROM device d JOIN trial t USING (trial_id) WHERE t.code = %(trial)s::text AND d.code = %(device)s::text;

-- name: retire_device
-- Refuse its messages from then on.
UPDATE device SET retired_at = %(at)s::timestamptz WHERE device_id = %(device_id)s::int AND retired_at IS NULL;
