-- The life of data: what a trial is for, how long its data stay, and their erasure, which leaves a certificate.

-- Set by the lab for a trial. Without a row the defaults of store/retention.py hold.
CREATE TABLE retention (
    trial_id     int PRIMARY KEY REFERENCES trial,
    purpose      text NOT NULL DEFAULT '' CHECK (length(purpose) <= 2000),
    legal_basis  text NOT NULL DEFAULT '' CHECK (legal_basis IN ('', 'consent', 'contract', 'legal_obligation', 'vital_interests',
                                                                 'public_task', 'legitimate_interests')),
    recipients   text NOT NULL DEFAULT '' CHECK (length(recipients) <= 2000), -- beside the parties of the trial
    results_days int NOT NULL CHECK (results_days BETWEEN 1 AND 36500), -- after the end of the trial
    rejects_days int NOT NULL CHECK (rejects_days BETWEEN 1 AND 3650),  -- after their receipt
    raw_fields   text[] NOT NULL DEFAULT '{}', -- names or patterns of fields whose texts stay for `raw_days`
    raw_days     int NOT NULL DEFAULT 0 CHECK (raw_days BETWEEN 0 AND 3650),
    set_at       timestamptz NOT NULL,
    set_by       text NOT NULL,
    CHECK (raw_days <= rejects_days)
);

-- An erasure. Rows that never change may only be deleted in its transaction.
CREATE TABLE erasure (
    erasure_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         timestamptz NOT NULL,
    by_login   text NOT NULL,
    reason     text NOT NULL CHECK (length(reason) BETWEEN 1 AND 500),
    trial      text, -- null: of a person
    device     text,
    person_id  int,
    from_time  timestamptz, -- half-open; null: without an end
    to_time    timestamptz,
    parts      text[] NOT NULL
);
CREATE TRIGGER erasures_stay BEFORE UPDATE OR DELETE ON erasure FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- How many rows went, by table and device. `booked` ones are missing in what the ledger counts as stored.
CREATE TABLE erased_rows (
    erasure_id int NOT NULL REFERENCES erasure,
    trial      text NOT NULL,
    device     text NOT NULL,
    table_name text NOT NULL,
    erased     bigint NOT NULL,
    booked     bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (erasure_id, trial, device, table_name)
);
CREATE TRIGGER erased_rows_stay BEFORE UPDATE OR DELETE ON erased_rows FOR EACH ROW EXECUTE FUNCTION refuse_change();

ALTER TABLE reject
    ADD COLUMN erased_by int REFERENCES erasure, -- its payload, detail and topic are gone
    ADD COLUMN raw_until timestamptz; -- then texts that nobody asked for are masked
-- Rejects of before were kept whole: the next night masks them.
UPDATE reject SET raw_until = received_at WHERE length(payload) > 0;
CREATE INDEX reject_by_raw_until ON reject (raw_until) WHERE raw_until IS NOT NULL; -- serves raw_due

ALTER TABLE device_remark DROP CONSTRAINT device_remark_code_check;
ALTER TABLE device_remark ADD CONSTRAINT device_remark_code_check
    CHECK (code IN ('boot_reused', 'gateway_clock', 'zero_byte', 'byte_order_mark', 'personal_data'));

CREATE FUNCTION refuse_unless_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM erasure e WHERE e.xmin = pg_current_xact_id()::xid) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
DROP TRIGGER corrections_stay ON correction;
CREATE TRIGGER corrections_stay BEFORE UPDATE OR DELETE ON correction FOR EACH ROW EXECUTE FUNCTION refuse_unless_erased();
DROP TRIGGER withdrawn_observations_stay ON withdrawn_observation;
CREATE TRIGGER withdrawn_observations_stay BEFORE UPDATE OR DELETE ON withdrawn_observation
    FOR EACH ROW EXECUTE FUNCTION refuse_unless_erased();

-- Results of some datastreams in a span, with all that was derived from them.
CREATE FUNCTION erase_results(number int, streams int[], since timestamptz, until timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    WITH gone AS (DELETE FROM observation o WHERE o.datastream_id = ANY (streams) AND o.phenomenon_time >= since
                  AND o.phenomenon_time < until RETURNING o.datastream_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'observation', count(*), count(*)
    FROM gone JOIN datastream USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    WITH gone AS (DELETE FROM withdrawn_observation o WHERE o.datastream_id = ANY (streams) AND o.phenomenon_time >= since
                  AND o.phenomenon_time < until RETURNING o.datastream_id, o.restored)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'withdrawn_observation', count(*), count(*) FILTER (WHERE NOT restored)
    FROM gone JOIN datastream USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    WITH gone AS (DELETE FROM correction o WHERE o.datastream_id = ANY (streams) AND o.phenomenon_time >= since
                  AND o.phenomenon_time < until RETURNING o.datastream_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'correction', count(*), 0
    FROM gone JOIN datastream USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    WITH gone AS (DELETE FROM quality_flag o WHERE o.datastream_id = ANY (streams) AND o.phenomenon_time >= since
                  AND o.phenomenon_time < until RETURNING o.datastream_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'quality_flag', count(*), 0
    FROM gone JOIN datastream USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    DELETE FROM datastream_latest l WHERE l.datastream_id = ANY (streams)
        AND NOT EXISTS (SELECT FROM observation o WHERE o.datastream_id = l.datastream_id);
    UPDATE datastream_latest l SET phenomenon_time = o.phenomenon_time, result = o.result, received_at = o.received_at,
        unchecked_from = least(l.unchecked_from, o.first_time)
    FROM unnest(streams) AS s(datastream_id) CROSS JOIN LATERAL (
        SELECT x.phenomenon_time, x.result, x.received_at,
               (SELECT min(y.phenomenon_time) FROM observation y WHERE y.datastream_id = s.datastream_id AND y.phenomenon_time >= since)
                   AS first_time
        FROM observation x WHERE x.datastream_id = s.datastream_id ORDER BY x.phenomenon_time DESC LIMIT 1) o
    WHERE l.datastream_id = s.datastream_id;
END $$;

-- Texts of devices beside their results: content of refused messages, statuses, starts, and topics that the broker denied.
-- Refused messages stay as counts with their reason.
CREATE FUNCTION erase_messages(number int, in_trial text, of_device text, devices int[], since timestamptz, until timestamptz)
    RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    WITH gone AS (UPDATE reject r SET payload = '', detail = '', topic = '', erased_by = number, raw_until = NULL,
                      identity = uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())
                  WHERE r.trial = in_trial AND (of_device IS NULL OR r.device = of_device) AND r.erased_by IS NULL
                    AND r.received_at >= since AND r.received_at < until RETURNING r.trial, r.device)
    INSERT INTO erased_rows SELECT number, trial, device, 'reject', count(*), 0 FROM gone GROUP BY 2, 3;
    WITH gone AS (UPDATE broker_event e SET last_topic = '' FROM credential c
                  WHERE c.username = e.username AND c.device_id = ANY (devices) AND e.last_topic <> ''
                    AND e.last_at >= since AND e.last_at < until RETURNING c.device_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'broker_event', count(*), 0
    FROM gone JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
END $$;

-- The log of statuses and starts of devices.
CREATE FUNCTION erase_statuses(number int, devices int[], since timestamptz, until timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    WITH gone AS (DELETE FROM device_status s WHERE s.device_id = ANY (devices) AND s.received_at >= since AND s.received_at < until
                  RETURNING s.device_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'device_status', count(*), 0
    FROM gone JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    WITH gone AS (DELETE FROM device_remark s WHERE s.device_id = ANY (devices) AND s.last_at >= since AND s.last_at < until
                  RETURNING s.device_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'device_remark', count(*), 0
    FROM gone JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    WITH gone AS (DELETE FROM boot_sequence s WHERE s.device_id = ANY (devices) AND s.first_seen_at >= since AND s.last_seen_at < until
                  RETURNING s.device_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'boot_sequence', count(*), 0
    FROM gone JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    WITH gone AS (DELETE FROM message_digest s WHERE s.device_id = ANY (devices) AND s.last_at >= since AND s.last_at < until
                  RETURNING s.device_id)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'message_digest', count(*), 0
    FROM gone JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
    UPDATE device_contact c SET firmware = NULL WHERE c.device_id = ANY (devices) AND c.last_seen_at >= since AND c.last_seen_at < until;
END $$;

-- Erase what belongs to a trial, or to one device of it, and write the certificate; returns its number.
CREATE FUNCTION erase(at timestamptz, by_login text, reason text, in_trial text, of_device text, since timestamptz,
                      until timestamptz, parts text[]) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    number int;
    devices int[] := (SELECT coalesce(array_agg(d.device_id), '{}') FROM device d JOIN trial t USING (trial_id)
                      WHERE t.code = in_trial AND (of_device IS NULL OR d.code = of_device));
    streams int[] := (SELECT coalesce(array_agg(s.datastream_id), '{}') FROM datastream s WHERE s.device_id = ANY (devices));
    first timestamptz := coalesce(since, '-infinity');
    last timestamptz := coalesce(until, 'infinity');
BEGIN
    INSERT INTO erasure (at, by_login, reason, trial, device, from_time, to_time, parts)
    VALUES (erase.at, erase.by_login, erase.reason, in_trial, of_device, since, until, erase.parts) RETURNING erasure_id INTO number;
    IF 'results' = ANY (erase.parts) THEN
        PERFORM erase_results(number, streams, first, last);
    END IF;
    IF 'messages' = ANY (erase.parts) THEN
        PERFORM erase_messages(number, in_trial, of_device, devices, first, last);
    END IF;
    IF 'statuses' = ANY (erase.parts) THEN
        PERFORM erase_statuses(number, devices, first, last);
    END IF;
    RETURN number;
END $$;

-- Erase what is known of a person beside the lines that say what the person did, and write the certificate.
CREATE FUNCTION erase_person(at timestamptz, by_login text, reason text, whom int) RETURNS int
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE number int;
BEGIN
    INSERT INTO erasure (at, by_login, reason, person_id, parts)
    VALUES (erase_person.at, erase_person.by_login, erase_person.reason, whom, '{person}') RETURNING erasure_id INTO number;
    WITH gone AS (DELETE FROM signed_in WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'signed_in', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM access_token_address a USING access_token k
                  WHERE k.access_token_id = a.access_token_id AND k.person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'access_token_address', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM access_token WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'access_token', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM second_factor WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'second_factor', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM invitation WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'invitation', count(*), 0 FROM gone HAVING count(*) > 0;
    UPDATE person SET name = '', login = 'erased-' || whom, password_hash = NULL, issuer = NULL, subject = NULL,
        manages_people = false, last_sign_in_at = NULL, disabled_at = coalesce(disabled_at, erase_person.at) WHERE person_id = whom;
    INSERT INTO erased_rows VALUES (number, '', '', 'person', 1, 0);
    RETURN number;
END $$;
REVOKE EXECUTE ON FUNCTION erase_results, erase_messages, erase_statuses, erase, erase_person FROM PUBLIC;

-- The running parts may erase by these functions alone. Called by `migrate`, since their account may be made later.
CREATE FUNCTION grant_erasure() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_service') THEN
        GRANT EXECUTE ON FUNCTION erase, erase_person TO insitu_service;
    END IF;
END $$;

ALTER TABLE erasure ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON erasure USING ((SELECT sees_all()) OR trial = ANY ((SELECT seen_codes())::text[]));
ALTER TABLE erased_rows ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON erased_rows USING ((SELECT sees_all()) OR trial = ANY ((SELECT seen_codes())::text[]));
ALTER TABLE retention ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON retention USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));
SELECT grant_pages();
