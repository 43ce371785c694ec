-- For people who look at the same devices every day: pages under a name, and screens on a wall that nobody signs in at.

-- A page with its filters, under a name that one person chose. Nobody else sees it.
CREATE TABLE saved_view (
    saved_view_id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    person_id     int NOT NULL REFERENCES person,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    address       text NOT NULL CHECK (length(address) BETWEEN 1 AND 1000 AND address ~ '^/([^/\\]|$)'),
    place         int NOT NULL, -- in the person's own order, from 1
    UNIQUE (person_id, name)
);

-- A secret address for a screen that shows devices and nothing else, with the rights that its maker has at each moment.
CREATE TABLE wall_link (
    wall_link_id   int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token_sha256   bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),
    person_id      int NOT NULL REFERENCES person,
    name           text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    trials         text[] NOT NULL, -- codes; none: all that the person sees
    sites          text[] NOT NULL,
    language       text NOT NULL,
    created_at     timestamptz NOT NULL DEFAULT clock_timestamp(), -- by the clock of the machine, like sessions
    expires_at     timestamptz NOT NULL,
    ended_at       timestamptz,
    last_opened_at timestamptz,
    CHECK (expires_at <= created_at + interval '401 days')
);
CREATE INDEX wall_link_of_person ON wall_link (person_id); -- serves list_walls

-- As before, and with the walls, because such an address lets somebody read.
CREATE OR REPLACE FUNCTION fact_tables() RETURNS TABLE (name text, key text[], without text[]) LANGUAGE sql IMMUTABLE AS $$
    VALUES ('access_token', '{access_token_id}'::text[], '{last_used_at}'::text[]), ('agreement', '{agreement_id}', '{}'),
           ('credential', '{credential_id}', '{suspended_at,suspended_until,suspended_bytes,suspended_seconds,suspended_step,suspensions}'),
           ('datastream', '{datastream_id}', '{}'), ('decision', '{decision_id}', '{}'), ('declared_window', '{window_id}', '{}'),
           ('deployment', '{deployment_id}', '{}'), ('device', '{device_id}', '{}'), ('erased_rows', '{erasure_id,trial,device,table_name}', '{}'),
           ('erasure', '{erasure_id}', '{}'), ('evaluation', '{evaluation_id}', '{}'), ('fixed_topic', '{topic}', '{}'),
           ('import', '{import_id}', '{}'), ('import_part', '{import_id,datastream_id}', '{}'), ('installation', '{name}', '{}'),
           ('invitation', '{invitation_id}', '{}'), ('mapping', '{mapping_id}', '{}'), ('need', '{need_id}', '{}'),
           ('network_address', '{address}', '{}'), ('network_server', '{network_server_id}', '{}'), ('observed_property', '{property_id}', '{}'),
           ('organisation', '{organisation_id}', '{}'), ('person', '{person_id}', '{last_sign_in_at,language}'), ('protocol', '{protocol_id}', '{}'),
           ('quality_run', '{datastream_id}', '{checked_at}'), ('recovery_code', '{person_id,code_sha256}', '{}'), ('retention', '{trial_id}', '{}'),
           ('second_factor', '{person_id}', '{last_step}'), ('sensor', '{sensor_id}', '{}'), ('shard_count', '{only_row}', '{}'),
           ('signed_in', '{session_id}', '{last_used_at,browser,address}'), ('site', '{site_id}', '{}'), ('trial', '{trial_id}', '{shard_id}'),
           ('trial_step', '{trial_step_id}', '{}'), ('unblinding', '{trial_id,endpoint}', '{}'), ('unit_conversion', '{unit,sent}', '{}'),
           ('wall_link', '{wall_link_id}', '{last_opened_at}')
$$;
CREATE TRIGGER noted_insert AFTER INSERT ON wall_link REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_fact();
CREATE TRIGGER noted_update AFTER UPDATE ON wall_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_fact();
CREATE TRIGGER noted_delete AFTER DELETE ON wall_link REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION note_fact();

-- As before, and without walls, which are secret addresses, and without the pages that one person keeps.
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
    REVOKE SELECT ON recovery_code, used_return, alert_channel, notice, saved_view, wall_link FROM insitu_pages;
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
SELECT grant_pages();

-- As before, and with the person's views and walls.
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
    WITH gone AS (DELETE FROM kept_answer WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'kept_answer', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM saved_view WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'saved_view', count(*), 0 FROM gone HAVING count(*) > 0;
    WITH gone AS (DELETE FROM wall_link WHERE person_id = whom RETURNING 1)
    INSERT INTO erased_rows SELECT number, '', '', 'wall_link', count(*), 0 FROM gone HAVING count(*) > 0;
    UPDATE person SET name = '', login = 'erased-' || whom, password_hash = NULL, issuer = NULL, subject = NULL,
        manages_people = false, last_sign_in_at = NULL, disabled_at = coalesce(disabled_at, erase_person.at) WHERE person_id = whom;
    INSERT INTO erased_rows VALUES (number, '', '', 'person', 1, 0);
    RETURN number;
END $$;
