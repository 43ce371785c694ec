-- Alerts. A *trouble* is what is wrong with a device or with the installation, once it has held for some time; it is the same for
-- everybody. An *alert* tells one person about one trouble, or about several of one site; a *notice* is one text of it to one channel.

-- When messages were not taken in: the ingestor enters it as soon as it is back.
CREATE TABLE outage (
    outage_id  int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    shard_id   int NOT NULL,
    started_at timestamptz NOT NULL, -- wall clock, as the signs of life of the ingestor
    ended_at   timestamptz NOT NULL CHECK (started_at < ended_at)
);
CREATE INDEX outage_by_end ON outage (ended_at); -- serves list_outages

CREATE TABLE trouble (
    trouble_id  bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind        text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    trial_id    int REFERENCES trial, -- null: of the installation
    device_id   int REFERENCES device,
    since       timestamptz NOT NULL, -- it has held without a break since then
    opened_at   timestamptz, -- null until it has held long enough
    clear_since timestamptz, -- it has been away without a break since then
    resolved_at timestamptz,
    is_quiet    boolean NOT NULL DEFAULT false, -- it was there before alerts were: nobody gets a notice about it
    detail      jsonb NOT NULL,
    CHECK ((trial_id IS NULL) = (device_id IS NULL))
);
CREATE UNIQUE INDEX trouble_once ON trouble (kind, coalesce(device_id, 0)) WHERE resolved_at IS NULL; -- serves open_troubles
CREATE INDEX trouble_by_end ON trouble (resolved_at) WHERE resolved_at IS NOT NULL; -- serves open_troubles
ALTER TABLE trouble ENABLE ROW LEVEL SECURITY;
CREATE POLICY seen ON trouble USING ((SELECT sees_all()) OR trial_id = ANY ((SELECT seen_trials())::int[]));

-- Choices of people about what they hear of; where no row says it, the defaults of the role hold (trials/alerting/kinds.py).
CREATE TABLE alert_rule (
    alert_rule_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id     int NOT NULL REFERENCES person ON DELETE CASCADE,
    kind          text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    trial_id      int REFERENCES trial, -- at most one of these; none: everything that the person may see
    site_id       int REFERENCES site,
    device_id     int REFERENCES device,
    is_on         boolean NOT NULL,
    remind_hours  int NOT NULL CHECK (remind_hours BETWEEN 0 AND 720), -- 0: no reminder
    CHECK (num_nonnulls(trial_id, site_id, device_id) <= 1),
    UNIQUE NULLS NOT DISTINCT (person_id, kind, trial_id, site_id, device_id)
);

CREATE TABLE alert_channel (
    alert_channel_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id        int NOT NULL REFERENCES person ON DELETE CASCADE,
    kind             text NOT NULL CHECK (kind IN ('mail', 'mqtt', 'webhook')),
    address          text NOT NULL CHECK (length(address) BETWEEN 1 AND 1000),
    secret           bytea NOT NULL CHECK (octet_length(secret) = 32), -- signs webhooks, and confirms a mail address
    nats_hash        text, -- of the password with which a person listens at the broker
    mosquitto_hash   text,
    made_at          timestamptz NOT NULL,
    confirmed_at     timestamptz, -- null: nothing is sent but a test
    removed_at       timestamptz,
    CHECK ((kind = 'mqtt') = (nats_hash IS NOT NULL AND mosquitto_hash IS NOT NULL))
);
CREATE INDEX alert_channel_by_person ON alert_channel (person_id) WHERE removed_at IS NULL; -- serves channels
-- The broker has a user for each listener, as long as the person may sign in.
CREATE TRIGGER listener_changed AFTER INSERT OR UPDATE ON alert_channel
    FOR EACH ROW WHEN (NEW.kind = 'mqtt') EXECUTE FUNCTION credentials_changed();
CREATE TRIGGER listener_changed AFTER UPDATE OF disabled_at ON person
    FOR EACH ROW WHEN (OLD.disabled_at IS DISTINCT FROM NEW.disabled_at) EXECUTE FUNCTION credentials_changed();

CREATE TABLE alert (
    alert_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id       int NOT NULL REFERENCES person ON DELETE CASCADE,
    kind            text NOT NULL CHECK (length(kind) BETWEEN 1 AND 40),
    trial_id        int REFERENCES trial,
    device_id       int REFERENCES device,
    site_id         int REFERENCES site, -- of a site that went dark
    since           timestamptz NOT NULL,
    opened_at       timestamptz NOT NULL,
    resolved_at     timestamptz,
    acknowledged_at timestamptz, -- no reminder from then on
    reminded_at     timestamptz,
    reminders       int NOT NULL DEFAULT 0,
    detail          jsonb NOT NULL
);
CREATE INDEX alert_by_person ON alert (person_id, alert_id DESC); -- serves alerts_of
CREATE INDEX alert_open ON alert (person_id) WHERE resolved_at IS NULL; -- serves open_alerts

-- A trouble is in one alert of a person, so nobody hears of it twice.
CREATE TABLE alert_trouble (
    person_id  int NOT NULL REFERENCES person ON DELETE CASCADE,
    trouble_id bigint NOT NULL REFERENCES trouble,
    alert_id   bigint NOT NULL REFERENCES alert ON DELETE CASCADE,
    PRIMARY KEY (person_id, trouble_id)
);
CREATE INDEX alert_trouble_by_alert ON alert_trouble (alert_id); -- serves members

CREATE TABLE notice (
    notice_id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    key              uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(), -- the same at each attempt: the receiver knows a repeat by it
    alert_channel_id int NOT NULL REFERENCES alert_channel ON DELETE CASCADE,
    alert_id         bigint REFERENCES alert ON DELETE CASCADE,
    about            text NOT NULL CHECK (length(about) BETWEEN 1 AND 100), -- "12 open", "digest 2026-W10": once for each channel
    event            text NOT NULL CHECK (event IN ('open', 'remind', 'resolve', 'test', 'digest')),
    content          jsonb NOT NULL,
    made_at          timestamptz NOT NULL,
    due_at           timestamptz NOT NULL,
    claimed_until    timestamptz, -- somebody sends it until then
    attempts         int NOT NULL DEFAULT 0,
    answer           text NOT NULL DEFAULT '',
    ended_at         timestamptz,
    outcome          text CHECK (outcome IN ('delivered', 'given_up', 'dropped')),
    CHECK ((ended_at IS NULL) = (outcome IS NULL)),
    UNIQUE (alert_channel_id, about)
);
CREATE INDEX notice_due ON notice (due_at) WHERE ended_at IS NULL; -- serves claim_notice
CREATE INDEX notice_by_alert ON notice (alert_id); -- serves notices_of

-- As before, and without channels, which hold secrets, and notices.
CREATE OR REPLACE FUNCTION grant_pages() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    secret record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_pages') THEN
        RETURN;
    END IF;
    IF NOT pg_has_role(current_user, 'insitu_pages', 'SET') THEN
        EXECUTE 'GRANT insitu_pages TO ' || quote_ident(current_user);
    END IF;
    GRANT USAGE ON SCHEMA public TO insitu_pages;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO insitu_pages;
    REVOKE SELECT ON recovery_code, used_return, alert_channel, notice FROM insitu_pages;
    FOR secret IN
        SELECT attrelid::regclass AS of, string_agg(quote_ident(attname), ', ')
                   FILTER (WHERE attname NOT IN ('password_hash', 'nats_hash', 'mosquitto_hash', 'secret', 'id_token')) AS columns
        FROM pg_attribute
        WHERE attrelid IN ('person'::regclass, 'credential'::regclass, 'second_factor'::regclass, 'signed_in'::regclass)
          AND attnum > 0 AND NOT attisdropped
        GROUP BY 1
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM insitu_pages', secret.of);
        EXECUTE format('GRANT SELECT (%s) ON %s TO insitu_pages', secret.columns, secret.of);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN NULL; -- `insitu check` says that the net is not there
END $$;

-- As before, and with the person's alerts, rules and channels, whose addresses are personal data.
CREATE OR REPLACE FUNCTION erase_person(at timestamptz, by_login text, reason text, whom int) RETURNS int
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
    WITH gone AS (DELETE FROM alert_channel WHERE person_id = whom RETURNING 1) -- and its notices
    INSERT INTO erased_rows SELECT number, '', '', 'alert_channel', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM alert WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'alert', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM alert_rule WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'alert_rule', count(*), 0 FROM gone HAVING count(*) > 0;
    UPDATE person SET name = '', login = 'erased-' || whom, password_hash = NULL, issuer = NULL, subject = NULL,
        manages_people = false, last_sign_in_at = NULL, disabled_at = coalesce(disabled_at, erase_person.at) WHERE person_id = whom;
    INSERT INTO erased_rows VALUES (number, '', '', 'person', 1, 0);
    RETURN number;
END $$;
