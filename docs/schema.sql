-- Made from store/migrations by the tests: pytest tests/store/test_schema.py --write-schema

CREATE FUNCTION public.catalogue_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE catalogue_version SET version = version + 1;
    NOTIFY catalogue;
    RETURN NULL;
END $$;

CREATE FUNCTION public.catalogue_columns(of_table text, left_out text[]) RETURNS text[]
    LANGUAGE sql STABLE
    AS $$
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = to_regclass('public.' || quote_ident(of_table)) AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT of_table || '.' || a.attname = ANY (left_out)
$$;

CREATE FUNCTION public.catalogue_rows(of_table text, left_out text[]) RETURNS SETOF text
    LANGUAGE plpgsql STABLE
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'iso_8601'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    AS $$
DECLARE
    columns text := (SELECT string_agg(format('the_row.%I', name), ', ' ORDER BY at)
                     FROM unnest(catalogue_columns(of_table, left_out)) WITH ORDINALITY AS x(name, at));
    ordered text := (SELECT string_agg(format('the_row.%I%s', a.attname, CASE WHEN t.typcategory = 'S' THEN ' COLLATE "C"' ELSE '' END), ', ' ORDER BY k.at)
                     FROM pg_index i CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k(attnum, at)
                     JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum JOIN pg_type t ON t.oid = a.atttypid
                     WHERE i.indrelid = to_regclass('public.' || quote_ident(of_table)) AND i.indisprimary);
BEGIN
    RETURN QUERY EXECUTE format('SELECT (SELECT to_jsonb(the_content) FROM (SELECT %s) the_content)::text FROM %I the_row ORDER BY %s', columns, of_table, ordered);
END $$;

CREATE FUNCTION public.content_of(of_kind text, of_part integer, since timestamp with time zone, until timestamp with time zone, as_sealed boolean) RETURNS TABLE(rows bigint, sha256 text)
    LANGUAGE plpgsql STABLE
    SET plan_cache_mode TO 'force_generic_plan'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    AS $$
BEGIN
    IF NOT as_sealed OR NOT EXISTS (SELECT FROM row_change c WHERE c.kind = of_kind AND c.part = of_part AND c.at >= since AND c.at < until) THEN
        RETURN QUERY SELECT count(*), encode(sha256(coalesce(string_agg(r.digest, '' ORDER BY r.at, r.key COLLATE "C"), '')), 'hex')
            FROM sealable_row r WHERE r.kind = of_kind AND r.part = of_part AND r.at >= since AND r.at < until;
    ELSE
        RETURN QUERY SELECT count(*), encode(sha256(coalesce(string_agg(x.digest, '' ORDER BY x.at, x.key COLLATE "C"), '')), 'hex') FROM (
            SELECT r.at, r.key, r.digest FROM sealable_row r
            WHERE r.kind = of_kind AND r.part = of_part AND r.at >= since AND r.at < until
              AND NOT EXISTS (SELECT FROM row_change c WHERE c.kind = of_kind AND c.part = of_part AND c.at = r.at AND c.key = r.key)
            UNION ALL
            SELECT c.at, c.key, c.was FROM first_note c
            WHERE c.kind = of_kind AND c.part = of_part AND c.at >= since AND c.at < until AND c.was IS NOT NULL) x;
    END IF;
END $$;

CREATE FUNCTION public.credentials_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    UPDATE broker_state SET wanted = wanted + 1;
    NOTIFY credentials;
    RETURN NULL;
END $$;

CREATE FUNCTION public.differing_facts() RETURNS TABLE(kind text, key text, name text, problem text, sha256 text)
    LANGUAGE sql STABLE
    AS $$
    SELECT coalesce(n.kind, l.kind), coalesce(n.key, l.key), coalesce(n.name, ''),
           CASE WHEN n.kind IS NULL THEN 'gone' WHEN coalesce(l.sha256, '') = '' THEN 'unknown' ELSE 'changed' END, coalesce(n.sha256, '')
    FROM facts_now() n
    FULL JOIN (SELECT DISTINCT ON (c.kind, c.key) c.kind, c.key, c.sha256 FROM fact_change c WHERE c.how <> 'act'
               ORDER BY c.kind, c.key, c.change_id DESC) l ON l.kind = n.kind AND l.key = n.key
    WHERE coalesce(n.sha256, '') <> coalesce(l.sha256, '')
$$;

CREATE FUNCTION public.enter_catalogue_rows(of_table text, content jsonb) RETURNS bigint
    LANGUAGE plpgsql
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'iso_8601'
    SET extra_float_digits TO '1'
    AS $_$
DECLARE
    columns text := (SELECT string_agg(quote_ident(name), ', ')
                     FROM (SELECT DISTINCT jsonb_object_keys(e) AS name FROM jsonb_array_elements(content) e) x);
    numbered record;
    entered bigint;
BEGIN
    IF columns IS NULL THEN
        RETURN 0;
    END IF;
    IF of_table = 'trial' THEN
        content := (SELECT jsonb_agg(e || '{"state": "need"}') FROM jsonb_array_elements(content) e);
    END IF;
    EXECUTE format('INSERT INTO %I (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM jsonb_populate_recordset(NULL::%I, $1)',
                   of_table, columns, columns, of_table) USING content;
    GET DIAGNOSTICS entered = ROW_COUNT;
    FOR numbered IN SELECT a.attname AS name FROM pg_attribute a
                    WHERE a.attrelid = to_regclass('public.' || quote_ident(of_table)) AND a.attidentity <> '' AND NOT a.attisdropped LOOP
        EXECUTE format('SELECT setval(pg_get_serial_sequence(%L, %L), max(%I)) FROM %I', of_table, numbered.name, numbered.name, of_table);
    END LOOP;
    RETURN entered;
END $_$;

CREATE FUNCTION public.enter_trial_states(content jsonb) RETURNS bigint
    LANGUAGE plpgsql
    AS $$
DECLARE
    entered bigint;
BEGIN
    UPDATE trial t SET state = e->>'state' FROM jsonb_array_elements(content) e WHERE (e->>'trial_id')::int = t.trial_id;
    GET DIAGNOSTICS entered = ROW_COUNT;
    RETURN entered;
END $$;

CREATE FUNCTION public.erase(at timestamp with time zone, by_login text, reason text, in_trial text, of_device text, since timestamp with time zone, until timestamp with time zone, parts text[]) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.erase_messages(number integer, in_trial text, of_device text, devices integer[], since timestamp with time zone, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.erase_person(at timestamp with time zone, by_login text, reason text, whom integer) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.erase_results(number integer, streams integer[], since timestamp with time zone, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT FROM packed_day p WHERE p.datastream_id = ANY (streams) AND p.start_time < until AND p.end_time > since
               AND (p.start_time < since OR p.end_time > until)) THEN
        RAISE EXCEPTION 'a packed day lies partly in the span: unpack it first';
    END IF;
    WITH gone AS (DELETE FROM observation o WHERE o.datastream_id = ANY (streams) AND o.phenomenon_time >= since
                  AND o.phenomenon_time < until RETURNING o.datastream_id),
         packed AS (DELETE FROM packed_day p WHERE p.datastream_id = ANY (streams) AND p.start_time >= since
                    AND p.end_time <= until RETURNING p.datastream_id, p.n)
    INSERT INTO erased_rows SELECT number, t.code, d.code, 'observation', sum(x.n), sum(x.n)
    FROM (SELECT datastream_id, 1 AS n FROM gone UNION ALL SELECT datastream_id, n FROM packed) x
    JOIN datastream USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id) GROUP BY 2, 3;
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
        AND NOT EXISTS (SELECT FROM observation o WHERE o.datastream_id = l.datastream_id)
        AND NOT EXISTS (SELECT FROM packed_day p WHERE p.datastream_id = l.datastream_id);
    UPDATE datastream_latest l SET phenomenon_time = o.phenomenon_time, result = o.result, received_at = o.received_at,
        unchecked_from = least(l.unchecked_from, o.first_time)
    FROM unnest(streams) AS s(datastream_id) CROSS JOIN LATERAL (
        SELECT x.phenomenon_time, x.result, x.received_at,
               least((SELECT min(y.phenomenon_time) FROM observation y WHERE y.datastream_id = s.datastream_id
                      AND y.phenomenon_time >= since),
                     (SELECT min(y.start_time) FROM packed_day y WHERE y.datastream_id = s.datastream_id AND y.start_time >= since))
                   AS first_time
        FROM observation x WHERE x.datastream_id = s.datastream_id ORDER BY x.phenomenon_time DESC LIMIT 1) o
    WHERE l.datastream_id = s.datastream_id;
END $$;

CREATE FUNCTION public.erase_statuses(number integer, devices integer[], since timestamp with time zone, until timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
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

CREATE FUNCTION public.fact_digest(fact jsonb, without text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT encode(sha256(convert_to((SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(fact - without) e
                                     WHERE e.value <> 'null')::text, 'UTF8')), 'hex')
$$;

CREATE FUNCTION public.fact_key(fact jsonb, key text[]) RETURNS text
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT string_agg(CASE WHEN starts_with(x.value, '\x') THEN encode(sha256(convert_to(x.value, 'UTF8')), 'hex') ELSE x.value END, ' ' ORDER BY x.at)
    FROM (SELECT fact->>k.name AS value, k.at FROM unnest(key) WITH ORDINALITY AS k(name, at)) x
$$;

CREATE FUNCTION public.fact_tables() RETURNS TABLE(name text, key text[], without text[])
    LANGUAGE sql IMMUTABLE
    AS $$
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

CREATE FUNCTION public.facts_now() RETURNS TABLE(kind text, key text, sha256 text, name text)
    LANGUAGE plpgsql STABLE
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    AS $$
DECLARE
    it record;
BEGIN
    FOR it IN SELECT * FROM fact_tables() LOOP
        RETURN QUERY EXECUTE format('SELECT %L, fact_key(x.j, %L), fact_digest(x.j, %L), '
            'coalesce(x.j->>''code'', x.j->>''login'', x.j->>''username'', x.j->>''field'', x.j->>''name'', '''') '
            'FROM (SELECT to_jsonb(r) AS j FROM %I r) x', it.name, it.key, it.without, it.name);
    END LOOP;
END $$;

CREATE FUNCTION public.find_facts_again(differed text[], above bigint) RETURNS void
    LANGUAGE sql
    AS $$
    UPDATE fact_change SET how = 'found' WHERE change_id > above AND seal_id IS NULL AND how IN ('enter', 'change');
    INSERT INTO fact_change (kind, key, sha256, how)
    SELECT d.kind, d.key, d.sha256, 'found' FROM differing_facts() d WHERE NOT d.kind || ' ' || d.key = ANY (differed);
$$;

CREATE FUNCTION public.fit_role() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE
    roles text[] := (SELECT CASE kind WHEN 'host' THEN ARRAY['operator', 'buyer'] WHEN 'lab' THEN ARRAY['lab', 'auditor']
                            ELSE ARRAY[kind] END FROM organisation WHERE organisation_id = NEW.organisation_id);
BEGIN
    NEW.role := coalesce(NEW.role, roles[1]);
    IF NEW.role <> ALL (roles) THEN
        RAISE EXCEPTION 'the organisation has no role %', NEW.role
            USING ERRCODE = 'check_violation', CONSTRAINT = 'person_role_check', TABLE = 'person';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION public.forget_first_account() RETURNS text
    LANGUAGE plpgsql
    AS $$
DECLARE
    password text;
BEGIN
    DELETE FROM person WHERE login = 'lab' RETURNING password_hash INTO password;
    DELETE FROM organisation WHERE code = 'lab';
    RETURN password;
END $$;

CREATE FUNCTION public.grant_erasure() RETURNS void
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_service') THEN
        GRANT EXECUTE ON FUNCTION erase, erase_person TO insitu_service;
    END IF;
END $$;

CREATE FUNCTION public.grant_pages() RETURNS void
    LANGUAGE plpgsql
    AS $$
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

CREATE FUNCTION public.grant_service(rights jsonb) RETURNS void
    LANGUAGE plpgsql
    AS $$
DECLARE
    named record;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_service') THEN
        RETURN;
    END IF;
    REVOKE ALL ON ALL TABLES IN SCHEMA public FROM insitu_service;
    GRANT USAGE ON SCHEMA public TO insitu_service;
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO insitu_service;
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO insitu_service;
    FOR named IN
        SELECT t.key AS of, r.key AS "right", r.value AS how,
               (SELECT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
                WHERE i.indrelid = to_regclass(t.key) AND i.indisprimary) AS key
        FROM jsonb_each(rights) t, jsonb_each_text(t.value) r WHERE to_regclass(t.key) IS NOT NULL
    LOOP
        EXECUTE CASE named.how WHEN 'lock' THEN format('GRANT %s (%I) ON %I TO insitu_service', named."right", named.key, named.of)
                               ELSE format('GRANT %s ON %I TO insitu_service', named."right", named.of) END;
    END LOOP;
    -- Row-level security limits the readers of pages, not the service.
    FOR named IN
        SELECT c.oid::regclass AS of FROM pg_class c
        WHERE c.relrowsecurity AND c.relnamespace = 'public'::regnamespace
          AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid AND p.polname = 'service')
    LOOP
        EXECUTE format('CREATE POLICY service ON %s TO insitu_service USING (true) WITH CHECK (true)', named.of);
    END LOOP;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_pages') AND NOT pg_has_role('insitu_service', 'insitu_pages', 'SET') THEN
        GRANT insitu_pages TO insitu_service WITH INHERIT FALSE;
    END IF;
END $$;

CREATE FUNCTION public.hold_chunks() RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        LOCK TABLE observation IN ROW SHARE MODE;
    END IF;
END $$;

CREATE FUNCTION public.is_explained(of_stream integer, since timestamp with time zone, was bytea) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT EXISTS (
        SELECT FROM (
            SELECT o.result, o.received_at, o.clock_quality, o.import_id FROM observation o
            WHERE o.datastream_id = of_stream AND o.phenomenon_time = since
            UNION ALL SELECT c.old_result, c.old_received_at, c.old_clock_quality, c.old_import_id FROM correction c
            WHERE c.datastream_id = of_stream AND c.phenomenon_time = since
            UNION ALL SELECT w.result, w.received_at, w.clock_quality, w.import_id FROM withdrawn_observation w
            WHERE w.datastream_id = of_stream AND w.phenomenon_time = since) x
        CROSS JOIN unnest('{1,2,3,4,9}'::smallint[]) AS f(flag)
        WHERE result_digest(of_stream, since, x.result, x.received_at, x.clock_quality, f.flag, x.import_id) = was)
    OR EXISTS (
        SELECT FROM erasure e JOIN erased_rows r USING (erasure_id) JOIN trial t ON t.code = r.trial
        JOIN device d ON d.trial_id = t.trial_id AND d.code = r.device JOIN datastream s ON s.device_id = d.device_id
        WHERE s.datastream_id = of_stream AND r.table_name IN ('observation', 'withdrawn_observation', 'correction')
          AND (e.from_time IS NULL OR since >= e.from_time) AND (e.to_time IS NULL OR since < e.to_time))
$$;

CREATE FUNCTION public.is_packed(of_kind text, of_part integer, since timestamp with time zone, until timestamp with time zone) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT of_kind = 'observation' AND EXISTS (SELECT FROM packed_day p WHERE p.datastream_id = of_part
        AND p.start_time > since - interval '33 days' AND p.start_time < until AND p.end_time > since)
$$;

CREATE FUNCTION public.known_zone(zone text) RETURNS text
    LANGUAGE plpgsql STABLE
    AS $$
BEGIN
    PERFORM timestamptz 'epoch' AT TIME ZONE zone;
    RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'UTC';
END $$;

CREATE FUNCTION public.note_act() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO fact_change (kind, key, sha256, how) VALUES ('audit', NEW.audit_id, '', 'act');
    RETURN NULL;
END $$;

CREATE FUNCTION public.note_deleted_result() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    AS $$
BEGIN
    INSERT INTO row_change (kind, part, at, key, was)
    SELECT s.kind, s.part, OLD.phenomenon_time, '', result_digest(OLD.datastream_id, OLD.phenomenon_time, OLD.result, OLD.received_at,
                                                                  OLD.clock_quality, OLD.flag, OLD.import_id)
    FROM sealed_part s WHERE s.kind = 'observation' AND s.part = OLD.datastream_id AND OLD.phenomenon_time < s.noted_until;
    RETURN NULL;
END $$;

CREATE FUNCTION public.note_fact() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    AS $$
DECLARE
    it record;
    old_rows_of text := 'SELECT null::text AS key, null::text AS sha256 WHERE false';
    new_rows_of text := 'SELECT null::text AS key, null::text AS sha256 WHERE false';
    rows_of text := 'SELECT fact_key(x.j, %L) AS key, fact_digest(x.j, %L) AS sha256 FROM (SELECT to_jsonb(r) AS j FROM %s r) x';
BEGIN
    SELECT * INTO STRICT it FROM fact_tables() f WHERE f.name = TG_TABLE_NAME;
    IF TG_OP <> 'INSERT' THEN
        old_rows_of := format(rows_of, it.key, it.without, 'old_rows');
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_rows_of := format(rows_of, it.key, it.without, 'new_rows');
    END IF;
    EXECUTE format('WITH o AS MATERIALIZED (%s), n AS MATERIALIZED (%s) INSERT INTO fact_change (kind, key, sha256, how) '
        'SELECT %L, n.key, n.sha256, %L FROM n WHERE NOT EXISTS (SELECT FROM o WHERE o.key = n.key AND o.sha256 = n.sha256) '
        'UNION ALL SELECT %L, o.key, %L, %L FROM o WHERE NOT EXISTS (SELECT FROM n WHERE n.key = o.key)',
        old_rows_of, new_rows_of, TG_TABLE_NAME, CASE TG_OP WHEN 'INSERT' THEN 'enter' ELSE 'change' END, TG_TABLE_NAME, '', 'remove');
    RETURN NULL;
END $$;

CREATE FUNCTION public.note_rows() RETURNS trigger
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'public', 'pg_temp'
    SET "TimeZone" TO 'UTC'
    SET "DateStyle" TO 'ISO, YMD'
    SET "IntervalStyle" TO 'postgres'
    SET extra_float_digits TO '1'
    SET bytea_output TO 'hex'
    AS $_$
DECLARE
    noted text := 'SELECT %1$L::text, %2$s, %3$s, %4$s%5$s FROM %6$s r JOIN sealed_part s ON s.kind = %1$L AND s.part = %2$s AND %3$s < s.noted_until';
    old_noted text := format(noted, TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], '', 'old_rows');
    new_noted text := format(noted, TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], '', 'new_rows');
BEGIN
    IF NOT EXISTS (SELECT FROM sealed_part s WHERE s.kind = TG_TABLE_NAME) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        EXECUTE 'INSERT INTO row_change (kind, part, at, key, was) '
            || format(noted, TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], ', ' || TG_ARGV[3], 'old_rows');
    END IF;
    IF TG_OP <> 'DELETE' THEN
        EXECUTE 'INSERT INTO row_change (kind, part, at, key) ' || new_noted || CASE TG_OP WHEN 'UPDATE' THEN ' EXCEPT ' || old_noted ELSE '' END;
    END IF;
    RETURN NULL;
END $_$;

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION public.refuse_lock_after_decision() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
DECLARE now_in text;
BEGIN
    -- The share lock waits for a decision that is being made at this moment, and then sees it.
    SELECT state INTO now_in FROM trial WHERE trial_id = NEW.trial_id FOR SHARE;
    IF now_in IN ('buy', 'iterate', 'stop') THEN
        RAISE EXCEPTION 'the trial is decided: no protocol can be locked' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE FUNCTION public.refuse_unless_erased() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM erasure e WHERE e.xmin = pg_current_xact_id()::xid) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is immutable', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;

CREATE FUNCTION public.result_digest(datastream_id integer, phenomenon_time timestamp with time zone, result double precision, received_at timestamp with time zone, clock_quality smallint, flag smallint, import_id integer) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT sha256(int4send(datastream_id) || timestamptz_send(phenomenon_time) || float8send(result) || timestamptz_send(received_at)
                  || int2send(clock_quality) || int2send(flag) || coalesce(int4send(import_id), ''))
$$;

CREATE FUNCTION public.results_of(of_stream integer, since timestamp with time zone, until timestamp with time zone) RETURNS TABLE(times bigint[], digests bytea[], noted bigint[], was bytea[], packed bytea[])
    LANGUAGE sql STABLE
    AS $$
    SELECT h.times, h.digests, n.noted, n.was, p.packed
    FROM (SELECT array_agg((extract(epoch FROM o.phenomenon_time) * 1000000)::bigint) AS times,
                 array_agg(result_digest(o.datastream_id, o.phenomenon_time, o.result, o.received_at, o.clock_quality, o.flag, o.import_id)) AS digests
          FROM observation o WHERE o.datastream_id = of_stream AND o.phenomenon_time >= since AND o.phenomenon_time < until) h,
         (SELECT array_agg((extract(epoch FROM c.at) * 1000000)::bigint) AS noted, array_agg(c.was) AS was
          FROM first_note c WHERE c.kind = 'observation' AND c.part = of_stream AND c.at >= since AND c.at < until) n,
         (SELECT array_agg(d.columns ORDER BY d.start_time) AS packed FROM packed_day d WHERE d.datastream_id = of_stream
          AND d.start_time > since - interval '33 days' AND d.start_time < until AND d.end_time > since) p
$$;

CREATE FUNCTION public.row_digest(booked jsonb) RETURNS bytea
    LANGUAGE sql IMMUTABLE
    AS $$
    SELECT sha256(convert_to((SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(booked) e WHERE e.value <> 'null')::text, 'UTF8'))
$$;

CREATE FUNCTION public.seen_codes() RETURNS text[]
    LANGUAGE sql STABLE
    AS $$
    SELECT nullif(current_setting('insitu.codes', true), '')::text[]
$$;

CREATE FUNCTION public.seen_trials() RETURNS integer[]
    LANGUAGE sql STABLE
    AS $$
    SELECT nullif(nullif(current_setting('insitu.trials', true), '*'), '')::int[]
$$;

CREATE FUNCTION public.sees_all() RETURNS boolean
    LANGUAGE sql STABLE
    AS $$ SELECT current_setting('insitu.trials', true) = '*' $$;

CREATE FUNCTION public.topic_is_heard(topic text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT EXISTS (
        SELECT FROM shard s, unnest(s.filters) AS f(filter)
        WHERE s.subscribed_at IS NOT NULL AND filter !~ '#' AND (
            SELECT bool_and(coalesce(wanted = level OR (wanted = '+' AND level IS NOT NULL), false))
            FROM unnest(string_to_array(filter, '/'), string_to_array(topic, '/')) AS x(wanted, level)))
$$;

CREATE FUNCTION public.trial_is_heard(trial text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT (SELECT wanted = 1 FROM shard_count)
        OR EXISTS (SELECT FROM shard WHERE subscribed_at IS NOT NULL
                   AND filters && ARRAY['insitu/v1/+/+/obs', 'insitu/v1/+/+/#',
                                        'insitu/v1/' || trial || '/+/+', 'insitu/v1/' || trial || '/+/#'])
$$;

CREATE FUNCTION public.trial_is_heard_below(trial text) RETURNS boolean
    LANGUAGE sql STABLE
    AS $$
    SELECT EXISTS (SELECT FROM shard WHERE filters && ARRAY['insitu/v1/+/+/#', 'insitu/v1/' || trial || '/+/#'])
        OR NOT EXISTS (SELECT FROM shard WHERE filters && ARRAY['insitu/v1/+/+/obs', 'insitu/v1/' || trial || '/+/+'])
$$;

CREATE TABLE public.access_token (
    access_token_id integer NOT NULL,
    token_sha256 bytea NOT NULL,
    person_id integer NOT NULL,
    organisation_id integer,
    name text NOT NULL,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    last_used_at timestamp with time zone,
    CONSTRAINT access_token_check CHECK ((expires_at <= (created_at + '401 days'::interval))),
    CONSTRAINT access_token_name_check CHECK (((length(name) >= 1) AND (length(name) <= 100))),
    CONSTRAINT access_token_scopes_check CHECK ((((scopes = ARRAY['read'::text]) OR (scopes = ARRAY['read'::text, 'act'::text])) AND ((organisation_id IS NULL) OR (scopes = ARRAY['read'::text])))),
    CONSTRAINT access_token_token_sha256_check CHECK ((octet_length(token_sha256) = 32))
);

ALTER TABLE public.access_token ALTER COLUMN access_token_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.access_token_access_token_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.access_token_address (
    access_token_id integer NOT NULL,
    address text NOT NULL,
    first_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.agreement (
    agreement_id integer NOT NULL,
    trial_id integer NOT NULL,
    document text NOT NULL,
    sha256 text NOT NULL,
    entered_at timestamp with time zone NOT NULL,
    entered_by text NOT NULL,
    CONSTRAINT agreement_document_check CHECK ((octet_length(document) <= 262144))
);

ALTER TABLE public.agreement ALTER COLUMN agreement_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.agreement_agreement_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.alert (
    alert_id bigint NOT NULL,
    person_id integer NOT NULL,
    kind text NOT NULL,
    trial_id integer,
    device_id integer,
    site_id integer,
    since timestamp with time zone NOT NULL,
    opened_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone,
    acknowledged_at timestamp with time zone,
    reminded_at timestamp with time zone,
    reminders integer DEFAULT 0 NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT alert_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 40)))
);

ALTER TABLE public.alert ALTER COLUMN alert_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alert_alert_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.alert_channel (
    alert_channel_id integer NOT NULL,
    person_id integer NOT NULL,
    kind text NOT NULL,
    address text NOT NULL,
    secret bytea NOT NULL,
    nats_hash text,
    mosquitto_hash text,
    made_at timestamp with time zone NOT NULL,
    confirmed_at timestamp with time zone,
    removed_at timestamp with time zone,
    CONSTRAINT alert_channel_address_check CHECK (((length(address) >= 1) AND (length(address) <= 1000))),
    CONSTRAINT alert_channel_check CHECK (((kind = 'mqtt'::text) = ((nats_hash IS NOT NULL) AND (mosquitto_hash IS NOT NULL)))),
    CONSTRAINT alert_channel_kind_check CHECK ((kind = ANY (ARRAY['mail'::text, 'mqtt'::text, 'webhook'::text]))),
    CONSTRAINT alert_channel_secret_check CHECK ((octet_length(secret) = 32))
);

ALTER TABLE public.alert_channel ALTER COLUMN alert_channel_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alert_channel_alert_channel_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.alert_rule (
    alert_rule_id integer NOT NULL,
    person_id integer NOT NULL,
    kind text NOT NULL,
    trial_id integer,
    site_id integer,
    device_id integer,
    is_on boolean NOT NULL,
    remind_hours integer NOT NULL,
    CONSTRAINT alert_rule_check CHECK ((num_nonnulls(trial_id, site_id, device_id) <= 1)),
    CONSTRAINT alert_rule_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 40))),
    CONSTRAINT alert_rule_remind_hours_check CHECK (((remind_hours >= 0) AND (remind_hours <= 720)))
);

ALTER TABLE public.alert_rule ALTER COLUMN alert_rule_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.alert_rule_alert_rule_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.alert_trouble (
    person_id integer NOT NULL,
    trouble_id bigint NOT NULL,
    alert_id bigint NOT NULL
);

CREATE TABLE public.audit (
    audit_id bigint NOT NULL,
    at timestamp with time zone NOT NULL,
    login text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL,
    detail jsonb DEFAULT '{}'::jsonb NOT NULL,
    previous_sha256 text NOT NULL,
    sha256 text NOT NULL
);

ALTER TABLE public.audit ALTER COLUMN audit_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.audit_audit_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.backup_state (
    only_row boolean DEFAULT true NOT NULL,
    made_at timestamp with time zone,
    place text,
    kind text,
    bytes bigint,
    seconds double precision,
    every_hours double precision,
    received_at timestamp with time zone,
    trouble text,
    restored text,
    CONSTRAINT backup_state_only_row_check CHECK (only_row)
);

CREATE TABLE public.boot_sequence (
    device_id integer NOT NULL,
    boot text NOT NULL,
    seen int8multirange NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    CONSTRAINT boot_sequence_boot_check CHECK ((length(boot) <= 64))
);

CREATE TABLE public.broker_event (
    username text NOT NULL,
    hour timestamp with time zone NOT NULL,
    kind text NOT NULL,
    events bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    last_topic text NOT NULL,
    by_other boolean DEFAULT false NOT NULL,
    told bigint DEFAULT 0 NOT NULL,
    told_at timestamp with time zone,
    CONSTRAINT broker_event_kind_check CHECK ((kind = ANY (ARRAY['publish_denied'::text, 'taken_over'::text, 'id_refused'::text])))
);

CREATE TABLE public.broker_log (
    path text NOT NULL,
    inode bigint NOT NULL,
    offset_bytes bigint NOT NULL,
    read_at timestamp with time zone NOT NULL,
    missed boolean DEFAULT false NOT NULL
);

CREATE TABLE public.broker_state (
    only_row boolean DEFAULT true NOT NULL,
    wanted bigint DEFAULT 1 NOT NULL,
    applied bigint DEFAULT 0 NOT NULL,
    problem text,
    applied_at timestamp with time zone,
    CONSTRAINT broker_state_only_row_check CHECK (only_row)
);

CREATE TABLE public.catalogue_version (
    only_row boolean DEFAULT true NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT catalogue_version_only_row_check CHECK (only_row)
);

CREATE TABLE public.correction (
    correction_id bigint NOT NULL,
    datastream_id integer NOT NULL,
    phenomenon_time timestamp with time zone NOT NULL,
    old_result double precision NOT NULL,
    new_result double precision NOT NULL,
    old_received_at timestamp with time zone NOT NULL,
    corrected_at timestamp with time zone NOT NULL,
    login text NOT NULL,
    reason text NOT NULL,
    file text NOT NULL,
    file_sha256 text NOT NULL,
    import_id integer,
    old_import_id integer,
    old_clock_quality smallint,
    CONSTRAINT correction_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500)))
);

ALTER TABLE public.correction ALTER COLUMN correction_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.correction_correction_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.credential (
    credential_id integer NOT NULL,
    device_id integer,
    username text NOT NULL,
    token_sha256 bytea NOT NULL,
    nats_hash text NOT NULL,
    mosquitto_hash text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    revoked_at timestamp with time zone,
    network_server_id integer,
    suspended_at timestamp with time zone,
    suspended_until timestamp with time zone,
    suspended_bytes bigint,
    suspended_seconds double precision,
    suspended_step integer DEFAULT 0 NOT NULL,
    suspensions bigint DEFAULT 0 NOT NULL,
    CONSTRAINT credential_of_one CHECK (((num_nonnulls(device_id, network_server_id) = 1) OR ((num_nonnulls(device_id, network_server_id) = 0) AND (username ~~ 'check.%'::text))))
);

ALTER TABLE public.credential ALTER COLUMN credential_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.credential_credential_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.datastream (
    datastream_id integer NOT NULL,
    device_id integer NOT NULL,
    sensor_id integer,
    property_id integer NOT NULL,
    name text NOT NULL,
    unit text NOT NULL,
    scale double precision DEFAULT 1 NOT NULL,
    shift double precision DEFAULT 0 NOT NULL,
    role text NOT NULL,
    result_type text DEFAULT 'number'::text NOT NULL,
    expected_interval interval,
    interval_reported boolean DEFAULT false NOT NULL,
    stamp text DEFAULT 'instant'::text NOT NULL,
    CONSTRAINT datastream_check CHECK (((stamp = 'instant'::text) OR (expected_interval IS NOT NULL))),
    CONSTRAINT datastream_expected_interval_check CHECK ((expected_interval > '00:00:00'::interval)),
    CONSTRAINT datastream_name_check CHECK (((length(name) >= 1) AND (length(name) <= 128))),
    CONSTRAINT datastream_result_type_check CHECK ((result_type = ANY (ARRAY['number'::text, 'boolean'::text]))),
    CONSTRAINT datastream_role_check CHECK ((role = ANY (ARRAY['candidate'::text, 'control'::text, 'reference'::text]))),
    CONSTRAINT datastream_stamp_check CHECK ((stamp = ANY (ARRAY['begin'::text, 'end'::text, 'instant'::text])))
);

ALTER TABLE public.datastream ALTER COLUMN datastream_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.datastream_datastream_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.datastream_latest (
    datastream_id integer NOT NULL,
    phenomenon_time timestamp with time zone NOT NULL,
    result double precision NOT NULL,
    received_at timestamp with time zone NOT NULL,
    unchecked_from timestamp with time zone,
    packed_to timestamp with time zone
);

CREATE TABLE public.decision (
    decision_id integer NOT NULL,
    trial_id integer NOT NULL,
    evaluation_id integer NOT NULL,
    evaluation_sha256 text NOT NULL,
    protocol_sha256 text NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    decided_at timestamp with time zone NOT NULL,
    decided_by text NOT NULL,
    on_behalf boolean NOT NULL,
    CONSTRAINT decision_outcome_check CHECK ((outcome = ANY (ARRAY['buy'::text, 'iterate'::text, 'stop'::text]))),
    CONSTRAINT decision_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 2000)))
);

ALTER TABLE public.decision ALTER COLUMN decision_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.decision_decision_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.declared_window (
    window_id integer NOT NULL,
    kind text NOT NULL,
    trial_id integer,
    site_id integer,
    device_id integer,
    period tstzrange NOT NULL,
    reason text NOT NULL,
    declared_by text NOT NULL,
    declared_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    ended_by text,
    withdrawn_at timestamp with time zone,
    withdrawn_by text,
    withdrawn_for text,
    CONSTRAINT declared_window_check CHECK ((num_nonnulls(trial_id, site_id, device_id) = 1)),
    CONSTRAINT declared_window_ended_check CHECK (((num_nonnulls(ended_at, ended_by) = ANY (ARRAY[0, 2])) AND ((ended_at IS NULL) OR (period @> ended_at)))),
    CONSTRAINT declared_window_kind_check CHECK ((kind = ANY (ARRAY['maintenance'::text, 'access'::text, 'incident'::text]))),
    CONSTRAINT declared_window_period_check CHECK ((NOT isempty(period))),
    CONSTRAINT declared_window_withdrawn_check CHECK ((num_nonnulls(withdrawn_at, withdrawn_by, withdrawn_for) = ANY (ARRAY[0, 3])))
);

ALTER TABLE public.declared_window ALTER COLUMN window_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.declared_window_window_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.delivered_batch (
    client_id text NOT NULL,
    number bigint NOT NULL,
    newest_at timestamp with time zone NOT NULL,
    kept_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    life text NOT NULL,
    mids integer[] NOT NULL,
    hashes bytea[] NOT NULL,
    received timestamp with time zone[] NOT NULL
);

CREATE TABLE public.delivery (
    client_id text NOT NULL,
    mid integer NOT NULL,
    sha256 bytea NOT NULL,
    received_at timestamp with time zone NOT NULL,
    kept_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    life text DEFAULT ''::text NOT NULL,
    number bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.deployment (
    deployment_id integer NOT NULL,
    device_id integer NOT NULL,
    site_id integer NOT NULL,
    "position" text NOT NULL,
    period tstzrange NOT NULL,
    CONSTRAINT deployment_period_check CHECK (((NOT isempty(period)) AND lower_inc(period) AND (NOT upper_inc(period))))
);

ALTER TABLE public.deployment ALTER COLUMN deployment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.deployment_deployment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.device (
    device_id integer NOT NULL,
    trial_id integer NOT NULL,
    code text NOT NULL,
    name text DEFAULT ''::text NOT NULL,
    model text DEFAULT ''::text NOT NULL,
    serial text DEFAULT ''::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    retired_at timestamp with time zone,
    CONSTRAINT device_code_check CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text))
);

CREATE TABLE public.device_contact (
    device_id integer NOT NULL,
    first_seen_at timestamp with time zone NOT NULL,
    last_seen_at timestamp with time zone NOT NULL,
    state text,
    state_at timestamp with time zone,
    battery double precision,
    rssi double precision,
    firmware text,
    uptime double precision,
    clock_offset double precision,
    snr double precision,
    margin double precision,
    clock_since timestamp with time zone,
    clock_largest double precision,
    clock_before double precision,
    here_since timestamp with time zone,
    CONSTRAINT device_contact_state_check CHECK ((state = ANY (ARRAY['online'::text, 'offline'::text])))
);

ALTER TABLE public.device ALTER COLUMN device_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.device_device_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.device_remark (
    device_id integer NOT NULL,
    code text NOT NULL,
    subject text DEFAULT ''::text NOT NULL,
    amount double precision,
    messages bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL,
    CONSTRAINT device_remark_code_check CHECK ((code = ANY (ARRAY['boot_reused'::text, 'gateway_clock'::text, 'zero_byte'::text, 'byte_order_mark'::text, 'personal_data'::text]))),
    CONSTRAINT device_remark_subject_check CHECK ((length(subject) <= 64))
);

CREATE TABLE public.device_status (
    device_status_id bigint NOT NULL,
    device_id integer NOT NULL,
    at timestamp with time zone NOT NULL,
    state text,
    battery double precision,
    rssi double precision,
    firmware text,
    uptime double precision,
    received_at timestamp with time zone NOT NULL,
    snr double precision,
    margin double precision,
    note text
);

ALTER TABLE public.device_status ALTER COLUMN device_status_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.device_status_device_status_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.erased_rows (
    erasure_id integer NOT NULL,
    trial text NOT NULL,
    device text NOT NULL,
    table_name text NOT NULL,
    erased bigint NOT NULL,
    booked bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.erasure (
    erasure_id integer NOT NULL,
    at timestamp with time zone NOT NULL,
    by_login text NOT NULL,
    reason text NOT NULL,
    trial text,
    device text,
    person_id integer,
    from_time timestamp with time zone,
    to_time timestamp with time zone,
    parts text[] NOT NULL,
    CONSTRAINT erasure_reason_check CHECK (((length(reason) >= 1) AND (length(reason) <= 500)))
);

ALTER TABLE public.erasure ALTER COLUMN erasure_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.erasure_erasure_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.evaluation (
    evaluation_id integer NOT NULL,
    trial_id integer NOT NULL,
    protocol_id integer NOT NULL,
    evaluated_at timestamp with time zone NOT NULL,
    evaluated_by text NOT NULL,
    verdict text NOT NULL,
    interim boolean DEFAULT false NOT NULL,
    inputs_sha256 text NOT NULL,
    sha256 text NOT NULL,
    document text NOT NULL,
    blinded boolean DEFAULT false NOT NULL,
    after_the_fact boolean DEFAULT false NOT NULL,
    afterwards jsonb DEFAULT '[]'::jsonb NOT NULL,
    CONSTRAINT evaluation_verdict_check CHECK ((verdict = ANY (ARRAY['met'::text, 'not_met'::text, 'inconclusive'::text, 'not_evaluable'::text])))
);

ALTER TABLE public.evaluation ALTER COLUMN evaluation_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.evaluation_evaluation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.evaluation_request (
    request_id integer NOT NULL,
    trial_id integer NOT NULL,
    asked_at timestamp with time zone NOT NULL,
    asked_by text NOT NULL,
    started_at timestamp with time zone,
    ended_at timestamp with time zone,
    evaluation_id integer,
    problem text,
    CONSTRAINT evaluation_request_check CHECK ((((ended_at IS NULL) = (num_nonnulls(evaluation_id, problem) = 0)) AND (num_nonnulls(evaluation_id, problem) <= 1))),
    CONSTRAINT evaluation_request_problem_check CHECK ((length(problem) <= 2000))
);

ALTER TABLE public.evaluation_request ALTER COLUMN request_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.evaluation_request_request_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.fact_change (
    change_id bigint NOT NULL,
    kind text NOT NULL,
    key text NOT NULL,
    sha256 text NOT NULL,
    how text NOT NULL,
    at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    xid xid8 DEFAULT pg_current_xact_id(),
    is_act boolean,
    seal_id integer
);

ALTER TABLE public.fact_change ALTER COLUMN change_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.fact_change_change_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.row_change (
    kind text NOT NULL,
    part integer NOT NULL,
    at timestamp with time zone NOT NULL,
    key text NOT NULL,
    was bytea,
    note_id bigint NOT NULL
);

CREATE VIEW public.first_note AS
 SELECT DISTINCT ON (kind, part, at, key) kind,
    part,
    at,
    key,
    was
   FROM public.row_change
  ORDER BY kind, part, at, key, note_id;

CREATE TABLE public.fixed_topic (
    topic text NOT NULL,
    device_id integer NOT NULL,
    suffix text,
    field text,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT fixed_topic_check CHECK ((num_nonnulls(suffix, field) <= 1)),
    CONSTRAINT fixed_topic_suffix_check CHECK ((suffix = ANY (ARRAY['obs'::text, 'status'::text, 'senml'::text, 'influx'::text, 'telemetry'::text]))),
    CONSTRAINT fixed_topic_topic_check CHECK (((topic !~ '[+#[:cntrl:]]'::text) AND (topic !~ '^(\$|insitu/|insitu$)'::text)))
);

CREATE TABLE public.import (
    import_id integer NOT NULL,
    trial_id integer,
    file text NOT NULL,
    file_sha256 text,
    login text NOT NULL,
    imported_at timestamp with time zone NOT NULL,
    understood jsonb DEFAULT '[]'::jsonb NOT NULL,
    withdrawn_at timestamp with time zone,
    withdrawn_by text,
    withdrawn_for text,
    CONSTRAINT import_check CHECK ((num_nonnulls(withdrawn_at, withdrawn_by, withdrawn_for) = ANY (ARRAY[0, 3]))),
    CONSTRAINT import_withdrawn_for_check CHECK (((length(withdrawn_for) >= 1) AND (length(withdrawn_for) <= 500)))
);

ALTER TABLE public.import ALTER COLUMN import_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.import_import_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.import_part (
    import_id integer NOT NULL,
    datastream_id integer NOT NULL,
    first_time timestamp with time zone NOT NULL,
    last_time timestamp with time zone NOT NULL,
    results bigint NOT NULL
);

CREATE TABLE public.ingestor (
    holder text NOT NULL,
    name text NOT NULL,
    seen_at timestamp with time zone NOT NULL
);

CREATE TABLE public.installation (
    name text NOT NULL,
    content text NOT NULL
);

CREATE TABLE public.invitation (
    invitation_id integer NOT NULL,
    token_sha256 bytea NOT NULL,
    person_id integer NOT NULL,
    purpose text NOT NULL,
    created_by text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT invitation_purpose_check CHECK ((purpose = ANY (ARRAY['invitation'::text, 'reset'::text]))),
    CONSTRAINT invitation_token_sha256_check CHECK ((octet_length(token_sha256) = 32))
);

ALTER TABLE public.invitation ALTER COLUMN invitation_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.invitation_invitation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.kept_answer (
    person_id integer NOT NULL,
    key_sha256 bytea NOT NULL,
    request_sha256 bytea NOT NULL,
    at timestamp with time zone NOT NULL,
    answer bytea,
    CONSTRAINT kept_answer_answer_check CHECK ((length(answer) <= 1100000)),
    CONSTRAINT kept_answer_key_sha256_check CHECK ((length(key_sha256) = 32)),
    CONSTRAINT kept_answer_request_sha256_check CHECK ((length(request_sha256) = 32))
);

CREATE TABLE public.ledger (
    trial text NOT NULL,
    device text NOT NULL,
    hour timestamp with time zone NOT NULL,
    reject_id bigint DEFAULT 0 NOT NULL,
    received bigint DEFAULT 0 NOT NULL,
    accepted bigint DEFAULT 0 NOT NULL,
    partly bigint DEFAULT 0 NOT NULL,
    rejected bigint DEFAULT 0 NOT NULL,
    repeated bigint DEFAULT 0 NOT NULL,
    contained bigint DEFAULT 0 NOT NULL,
    stored bigint DEFAULT 0 NOT NULL,
    duplicate bigint DEFAULT 0 NOT NULL,
    conflicting bigint DEFAULT 0 NOT NULL,
    refused bigint DEFAULT 0 NOT NULL,
    ignored bigint DEFAULT 0 NOT NULL,
    CONSTRAINT messages_add_up CHECK ((received = (((accepted + partly) + rejected) + repeated))),
    CONSTRAINT results_add_up CHECK ((contained = ((((stored + duplicate) + conflicting) + refused) + ignored)))
);

CREATE TABLE public.ledger_reason (
    trial text NOT NULL,
    device text NOT NULL,
    hour timestamp with time zone NOT NULL,
    reject_id bigint DEFAULT 0 NOT NULL,
    outcome text NOT NULL,
    reason text NOT NULL,
    messages bigint DEFAULT 0 NOT NULL,
    results bigint DEFAULT 0 NOT NULL,
    CONSTRAINT ledger_reason_outcome_check CHECK ((outcome = ANY (ARRAY['refused'::text, 'ignored'::text])))
);

CREATE TABLE public.mapping (
    mapping_id integer NOT NULL,
    trial_id integer NOT NULL,
    devices text[] NOT NULL,
    field text NOT NULL,
    property_id integer,
    unit text NOT NULL,
    role text NOT NULL,
    result_type text NOT NULL,
    expected_interval interval,
    stamp text DEFAULT 'instant'::text NOT NULL,
    rule jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT mapping_check CHECK (((stamp = 'instant'::text) OR (expected_interval IS NOT NULL))),
    CONSTRAINT mapping_check1 CHECK (((property_id IS NOT NULL) OR (rule ?| ARRAY['ignore'::text, 'health'::text, 'time'::text, 'expect'::text]))),
    CONSTRAINT mapping_devices_check CHECK ((cardinality(devices) > 0)),
    CONSTRAINT mapping_expected_interval_check CHECK ((expected_interval > '00:00:00'::interval)),
    CONSTRAINT mapping_field_check CHECK (((length(field) >= 1) AND (length(field) <= 128))),
    CONSTRAINT mapping_result_type_check CHECK ((result_type = ANY (ARRAY['number'::text, 'boolean'::text]))),
    CONSTRAINT mapping_role_check CHECK ((role = ANY (ARRAY['candidate'::text, 'control'::text, 'reference'::text]))),
    CONSTRAINT mapping_stamp_check CHECK ((stamp = ANY (ARRAY['begin'::text, 'end'::text, 'instant'::text])))
);

ALTER TABLE public.mapping ALTER COLUMN mapping_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.mapping_mapping_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.message_digest (
    device_id integer NOT NULL,
    boot text NOT NULL,
    block bigint NOT NULL,
    digests bytea NOT NULL,
    last_at timestamp with time zone NOT NULL,
    CONSTRAINT message_digest_boot_check CHECK ((length(boot) <= 64))
);

CREATE TABLE public.need (
    need_id integer NOT NULL,
    code text NOT NULL,
    host_id integer NOT NULL,
    title jsonb NOT NULL,
    description jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT need_code_check CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text))
);

ALTER TABLE public.need ALTER COLUMN need_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.need_need_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.network_address (
    address text NOT NULL,
    network_server_id integer NOT NULL,
    device_id integer NOT NULL
);

CREATE TABLE public.network_server (
    network_server_id integer NOT NULL,
    code text NOT NULL,
    kind text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT network_server_code_check CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text)),
    CONSTRAINT network_server_kind_check CHECK ((kind = ANY (ARRAY['chirpstack'::text, 'things_stack'::text, 'sparkplug'::text])))
);

ALTER TABLE public.network_server ALTER COLUMN network_server_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.network_server_network_server_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.sealed_day (
    seal_id integer NOT NULL,
    kind text NOT NULL,
    part integer NOT NULL,
    from_time timestamp with time zone NOT NULL,
    to_time timestamp with time zone NOT NULL,
    rows bigint NOT NULL,
    sha256 text NOT NULL
);

CREATE TABLE public.sealed_part (
    kind text NOT NULL,
    part integer NOT NULL,
    noted_until timestamp with time zone NOT NULL,
    sealed_until timestamp with time zone DEFAULT '-infinity'::timestamp with time zone NOT NULL,
    time_zone text NOT NULL
);

CREATE VIEW public.noted_day AS
 SELECT c.kind,
    c.part,
    COALESCE(l.from_time, GREATEST(date_trunc('day'::text, c.at, p.time_zone), ( SELECT max(b.to_time) AS max
           FROM public.sealed_day b
          WHERE ((b.kind = c.kind) AND (b.part = c.part) AND (b.to_time <= c.at))))) AS from_time,
    COALESCE(l.to_time, LEAST(date_add(date_trunc('day'::text, c.at, p.time_zone), '1 day'::interval, p.time_zone), p.sealed_until, ( SELECT min(b.from_time) AS min
           FROM public.sealed_day b
          WHERE ((b.kind = c.kind) AND (b.part = c.part) AND (b.from_time > c.at))))) AS to_time,
    COALESCE(l.sha256, encode(sha256('\x'::bytea), 'hex'::text)) AS sha256,
    bool_and(e.explained) AS explained,
    array_agg(((EXTRACT(epoch FROM c.at) * (1000000)::numeric))::bigint) FILTER (WHERE (NOT e.explained)) AS doubtful,
    array_agg(c.was) FILTER (WHERE (NOT e.explained)) AS doubtful_was
   FROM (((public.first_note c
     JOIN public.sealed_part p ON (((p.kind = c.kind) AND (p.part = c.part) AND (c.at < p.sealed_until))))
     CROSS JOIN LATERAL ( SELECT ((c.kind <> 'observation'::text) OR (c.was IS NULL) OR public.is_explained(c.part, c.at, c.was)) AS explained
         OFFSET 0) e)
     LEFT JOIN LATERAL ( SELECT d.from_time,
            d.to_time,
            d.sha256
           FROM public.sealed_day d
          WHERE ((d.kind = c.kind) AND (d.part = c.part) AND (d.from_time <= c.at) AND (d.to_time > c.at))
          ORDER BY d.from_time DESC, d.seal_id DESC
         LIMIT 1) l ON (true))
  GROUP BY c.kind, c.part, COALESCE(l.from_time, GREATEST(date_trunc('day'::text, c.at, p.time_zone), ( SELECT max(b.to_time) AS max
           FROM public.sealed_day b
          WHERE ((b.kind = c.kind) AND (b.part = c.part) AND (b.to_time <= c.at))))), COALESCE(l.to_time, LEAST(date_add(date_trunc('day'::text, c.at, p.time_zone), '1 day'::interval, p.time_zone), p.sealed_until, ( SELECT min(b.from_time) AS min
           FROM public.sealed_day b
          WHERE ((b.kind = c.kind) AND (b.part = c.part) AND (b.from_time > c.at))))), COALESCE(l.sha256, encode(sha256('\x'::bytea), 'hex'::text));

CREATE TABLE public.notice (
    notice_id bigint NOT NULL,
    key uuid DEFAULT gen_random_uuid() NOT NULL,
    alert_channel_id integer NOT NULL,
    alert_id bigint,
    about text NOT NULL,
    event text NOT NULL,
    content jsonb NOT NULL,
    made_at timestamp with time zone NOT NULL,
    due_at timestamp with time zone NOT NULL,
    claimed_until timestamp with time zone,
    attempts integer DEFAULT 0 NOT NULL,
    answer text DEFAULT ''::text NOT NULL,
    ended_at timestamp with time zone,
    outcome text,
    CONSTRAINT notice_about_check CHECK (((length(about) >= 1) AND (length(about) <= 100))),
    CONSTRAINT notice_check CHECK (((ended_at IS NULL) = (outcome IS NULL))),
    CONSTRAINT notice_event_check CHECK ((event = ANY (ARRAY['open'::text, 'remind'::text, 'resolve'::text, 'test'::text, 'digest'::text]))),
    CONSTRAINT notice_outcome_check CHECK ((outcome = ANY (ARRAY['delivered'::text, 'given_up'::text, 'dropped'::text])))
);

ALTER TABLE public.notice ALTER COLUMN notice_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.notice_notice_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.observation (
    datastream_id integer NOT NULL,
    phenomenon_time timestamp with time zone NOT NULL,
    result double precision NOT NULL,
    received_at timestamp with time zone NOT NULL,
    clock_quality smallint NOT NULL,
    flag smallint DEFAULT 2 NOT NULL,
    import_id integer
);

CREATE TABLE public.observed_property (
    property_id integer NOT NULL,
    code text NOT NULL,
    name jsonb NOT NULL,
    unit text NOT NULL,
    averaging_scale text DEFAULT 'arithmetic'::text NOT NULL,
    CONSTRAINT observed_property_averaging_scale_check CHECK ((averaging_scale = ANY (ARRAY['arithmetic'::text, 'energetic'::text, 'circular'::text, 'time_weighted'::text, 'sum'::text]))),
    CONSTRAINT observed_property_code_check CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text))
);

ALTER TABLE public.observed_property ALTER COLUMN property_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.observed_property_property_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.organisation (
    organisation_id integer NOT NULL,
    code text NOT NULL,
    name text NOT NULL,
    kind text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    CONSTRAINT organisation_code_check CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text)),
    CONSTRAINT organisation_kind_check CHECK ((kind = ANY (ARRAY['host'::text, 'company'::text, 'evaluator'::text, 'lab'::text, 'auditor'::text])))
);

ALTER TABLE public.organisation ALTER COLUMN organisation_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.organisation_organisation_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.outage (
    outage_id integer NOT NULL,
    shard_id integer NOT NULL,
    started_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone NOT NULL,
    CONSTRAINT outage_check CHECK ((started_at < ended_at))
);

ALTER TABLE public.outage ALTER COLUMN outage_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.outage_outage_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.packed_day (
    datastream_id integer NOT NULL,
    start_time timestamp with time zone NOT NULL,
    end_time timestamp with time zone NOT NULL,
    n integer NOT NULL,
    suspect integer NOT NULL,
    failed integer NOT NULL,
    unnumbered integer NOT NULL,
    first_received timestamp with time zone NOT NULL,
    last_received timestamp with time zone NOT NULL,
    smallest double precision NOT NULL,
    largest double precision NOT NULL,
    total double precision NOT NULL,
    columns bytea NOT NULL,
    CONSTRAINT packed_day_check CHECK (((end_time > start_time) AND ((end_time - start_time) < '33 days'::interval))),
    CONSTRAINT packed_day_n_check CHECK ((n > 0))
);
ALTER TABLE ONLY public.packed_day ALTER COLUMN columns SET STORAGE EXTERNAL;

CREATE TABLE public.person (
    person_id integer NOT NULL,
    login text NOT NULL,
    name text NOT NULL,
    organisation_id integer NOT NULL,
    password_hash text,
    language text DEFAULT 'fr'::text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    disabled_at timestamp with time zone,
    role text NOT NULL,
    manages_people boolean DEFAULT false NOT NULL,
    last_sign_in_at timestamp with time zone,
    issuer text,
    subject text,
    CONSTRAINT person_check CHECK (((issuer IS NULL) = (subject IS NULL))),
    CONSTRAINT person_language_check CHECK ((language = ANY (ARRAY['en'::text, 'fr'::text]))),
    CONSTRAINT person_login_check CHECK (((length(login) >= 1) AND (length(login) <= 254))),
    CONSTRAINT person_role_check CHECK ((role = ANY (ARRAY['lab'::text, 'operator'::text, 'buyer'::text, 'evaluator'::text, 'company'::text, 'auditor'::text])))
);

ALTER TABLE public.person ALTER COLUMN person_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.person_person_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.plan_place (
    deployment_id integer NOT NULL,
    site_plan_id integer NOT NULL,
    x double precision NOT NULL,
    y double precision NOT NULL,
    placed_at timestamp with time zone NOT NULL,
    placed_by text NOT NULL,
    CONSTRAINT plan_place_x_check CHECK (((x >= (0)::double precision) AND (x <= (100)::double precision))),
    CONSTRAINT plan_place_y_check CHECK (((y >= (0)::double precision) AND (y <= (100)::double precision)))
);

CREATE TABLE public.probe (
    prober text NOT NULL,
    shard_id integer NOT NULL,
    seq bigint NOT NULL,
    committed_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.protocol (
    protocol_id integer NOT NULL,
    trial_id integer NOT NULL,
    version integer NOT NULL,
    document text NOT NULL,
    sha256 text NOT NULL,
    created_at timestamp with time zone NOT NULL,
    reason text DEFAULT ''::text NOT NULL,
    locked_at timestamp with time zone,
    locked_by text,
    CONSTRAINT protocol_version_check CHECK ((version > 0))
);

CREATE TABLE public.protocol_draft (
    trial_id integer NOT NULL,
    text text NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL,
    CONSTRAINT protocol_draft_text_check CHECK (((length(text) >= 1) AND (length(text) <= 400000)))
);

ALTER TABLE public.protocol ALTER COLUMN protocol_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.protocol_protocol_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.quality_flag (
    datastream_id integer NOT NULL,
    phenomenon_time timestamp with time zone NOT NULL,
    check_name text NOT NULL,
    flag smallint NOT NULL,
    sha256 text NOT NULL
);

CREATE TABLE public.quality_run (
    datastream_id integer NOT NULL,
    checked_at timestamp with time zone NOT NULL,
    checks text[] NOT NULL,
    ran text[] NOT NULL,
    parameters text NOT NULL,
    sha256 text NOT NULL
);

CREATE TABLE public.recovery_code (
    person_id integer NOT NULL,
    code_sha256 bytea NOT NULL,
    used_at timestamp with time zone,
    CONSTRAINT recovery_code_code_sha256_check CHECK ((octet_length(code_sha256) = 32))
);

CREATE TABLE public.reject (
    reject_id bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    topic text NOT NULL,
    payload bytea NOT NULL,
    size integer NOT NULL,
    received_at timestamp with time zone NOT NULL,
    trial text NOT NULL,
    device text NOT NULL,
    results integer NOT NULL,
    identity bytea NOT NULL,
    replayed_at timestamp with time zone,
    import_id integer,
    erased_by integer,
    raw_until timestamp with time zone
);

CREATE TABLE public.reject_kept (
    trial text NOT NULL,
    device text NOT NULL,
    hour timestamp with time zone NOT NULL,
    bytes bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.reject_overflow (
    trial text NOT NULL,
    device text NOT NULL,
    hour timestamp with time zone NOT NULL,
    reason text NOT NULL,
    messages bigint NOT NULL,
    results bigint NOT NULL,
    bytes bigint NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
);

ALTER TABLE public.reject ALTER COLUMN reject_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.reject_reject_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.retention (
    trial_id integer NOT NULL,
    purpose text DEFAULT ''::text NOT NULL,
    legal_basis text DEFAULT ''::text NOT NULL,
    recipients text DEFAULT ''::text NOT NULL,
    results_days integer NOT NULL,
    rejects_days integer NOT NULL,
    raw_fields text[] DEFAULT '{}'::text[] NOT NULL,
    raw_days integer DEFAULT 0 NOT NULL,
    set_at timestamp with time zone NOT NULL,
    set_by text NOT NULL,
    CONSTRAINT retention_check CHECK ((raw_days <= rejects_days)),
    CONSTRAINT retention_legal_basis_check CHECK ((legal_basis = ANY (ARRAY[''::text, 'consent'::text, 'contract'::text, 'legal_obligation'::text, 'vital_interests'::text, 'public_task'::text, 'legitimate_interests'::text]))),
    CONSTRAINT retention_purpose_check CHECK ((length(purpose) <= 2000)),
    CONSTRAINT retention_raw_days_check CHECK (((raw_days >= 0) AND (raw_days <= 3650))),
    CONSTRAINT retention_recipients_check CHECK ((length(recipients) <= 2000)),
    CONSTRAINT retention_rejects_days_check CHECK (((rejects_days >= 1) AND (rejects_days <= 3650))),
    CONSTRAINT retention_results_days_check CHECK (((results_days >= 1) AND (results_days <= 36500)))
);

ALTER TABLE public.row_change ALTER COLUMN note_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.row_change_note_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.saved_view (
    saved_view_id integer NOT NULL,
    person_id integer NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    place integer NOT NULL,
    CONSTRAINT saved_view_address_check CHECK ((((length(address) >= 1) AND (length(address) <= 1000)) AND (address ~ '^/([^/\\]|$)'::text))),
    CONSTRAINT saved_view_name_check CHECK (((length(name) >= 1) AND (length(name) <= 60)))
);

ALTER TABLE public.saved_view ALTER COLUMN saved_view_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.saved_view_saved_view_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.schema_migration (
    name text NOT NULL,
    applied_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.withdrawn_observation (
    import_id integer NOT NULL,
    datastream_id integer NOT NULL,
    phenomenon_time timestamp with time zone NOT NULL,
    result double precision NOT NULL,
    received_at timestamp with time zone NOT NULL,
    clock_quality smallint NOT NULL,
    restored boolean NOT NULL
);

CREATE VIEW public.sealable_row AS
 SELECT 'observation'::text AS kind,
    observation.datastream_id AS part,
    observation.phenomenon_time AS at,
    ''::text AS key,
    public.result_digest(observation.datastream_id, observation.phenomenon_time, observation.result, observation.received_at, observation.clock_quality, observation.flag, observation.import_id) AS digest
   FROM public.observation
UNION ALL
 SELECT 'withdrawn_observation'::text AS kind,
    r.datastream_id AS part,
    r.phenomenon_time AS at,
    (r.import_id)::text AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.withdrawn_observation r
UNION ALL
 SELECT 'correction'::text AS kind,
    r.datastream_id AS part,
    r.phenomenon_time AS at,
    (r.correction_id)::text AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.correction r
UNION ALL
 SELECT 'quality_flag'::text AS kind,
    r.datastream_id AS part,
    r.phenomenon_time AS at,
    r.check_name AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.quality_flag r
UNION ALL
 SELECT 'device_status'::text AS kind,
    r.device_id AS part,
    r.at,
    (r.device_status_id)::text AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.device_status r
UNION ALL
 SELECT 'reject'::text AS kind,
    0 AS part,
    r.received_at AS at,
    (r.reject_id)::text AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.reject r
UNION ALL
 SELECT 'reject_overflow'::text AS kind,
    0 AS part,
    r.hour AS at,
    concat_ws(' '::text, r.trial, r.device, r.reason) AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.reject_overflow r
UNION ALL
 SELECT 'ledger'::text AS kind,
    0 AS part,
    r.hour AS at,
    concat_ws(' '::text, r.trial, r.device, r.reject_id) AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.ledger r
UNION ALL
 SELECT 'ledger_reason'::text AS kind,
    0 AS part,
    r.hour AS at,
    concat_ws(' '::text, r.trial, r.device, r.reject_id, r.outcome, r.reason) AS key,
    public.row_digest(to_jsonb(r.*)) AS digest
   FROM public.ledger_reason r;

CREATE TABLE public.second_factor (
    person_id integer NOT NULL,
    secret bytea NOT NULL,
    confirmed_at timestamp with time zone,
    last_step bigint DEFAULT 0 NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL
);

CREATE TABLE public.sensor (
    sensor_id integer NOT NULL,
    device_id integer NOT NULL,
    make text NOT NULL,
    model text NOT NULL,
    serial text DEFAULT ''::text NOT NULL,
    calibrated_at timestamp with time zone,
    calibration text DEFAULT ''::text NOT NULL,
    since timestamp with time zone,
    replaces integer,
    CONSTRAINT sensor_check CHECK (((since IS NULL) = (replaces IS NULL)))
);

ALTER TABLE public.sensor ALTER COLUMN sensor_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sensor_sensor_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.shard (
    shard_id integer NOT NULL,
    client_id text NOT NULL,
    filters text[] NOT NULL,
    subscribed_at timestamp with time zone,
    heartbeat_at timestamp with time zone,
    committed_at timestamp with time zone,
    pending integer DEFAULT 0 NOT NULL,
    dropped bigint DEFAULT 0 NOT NULL,
    problem text,
    holder text,
    holder_backend integer,
    holder_since timestamp with time zone,
    lease_until timestamp with time zone,
    disconnects bigint DEFAULT 0 NOT NULL,
    window_size integer,
    committed_messages bigint DEFAULT 0 NOT NULL
);

CREATE TABLE public.shard_count (
    only_row boolean DEFAULT true NOT NULL,
    wanted integer NOT NULL,
    CONSTRAINT shard_count_only_row_check CHECK (only_row),
    CONSTRAINT shard_count_wanted_check CHECK (((wanted >= 1) AND (wanted <= 64)))
);

CREATE TABLE public.sign_in_failure (
    key bytea NOT NULL,
    failures integer NOT NULL,
    since timestamp with time zone NOT NULL,
    last_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT sign_in_failure_key_check CHECK ((octet_length(key) = 32))
);

CREATE TABLE public.signed_in (
    token_sha256 bytea NOT NULL,
    person_id integer NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    session_id bigint NOT NULL,
    last_used_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    browser text DEFAULT ''::text NOT NULL,
    address text DEFAULT ''::text NOT NULL,
    wants_code boolean DEFAULT false NOT NULL,
    id_token text
);

ALTER TABLE public.signed_in ALTER COLUMN session_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.signed_in_session_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.site (
    site_id integer NOT NULL,
    code text NOT NULL,
    host_id integer NOT NULL,
    name text NOT NULL,
    kind text DEFAULT ''::text NOT NULL,
    latitude double precision,
    longitude double precision,
    CONSTRAINT site_code_check CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text)),
    CONSTRAINT site_latitude_check CHECK (((latitude >= ('-90'::integer)::double precision) AND (latitude <= (90)::double precision))),
    CONSTRAINT site_longitude_check CHECK (((longitude >= ('-180'::integer)::double precision) AND (longitude <= (180)::double precision)))
);

CREATE TABLE public.site_plan (
    site_plan_id integer NOT NULL,
    site_id integer NOT NULL,
    name text NOT NULL,
    rank integer NOT NULL,
    image bytea NOT NULL,
    sha256 text NOT NULL,
    width integer NOT NULL,
    height integer NOT NULL,
    changed_at timestamp with time zone NOT NULL,
    changed_by text NOT NULL,
    CONSTRAINT site_plan_height_check CHECK (((height >= 1) AND (height <= 10000))),
    CONSTRAINT site_plan_image_check CHECK (((length(image) >= 1) AND (length(image) <= 12000000))),
    CONSTRAINT site_plan_name_check CHECK (((length(name) >= 1) AND (length(name) <= 200))),
    CONSTRAINT site_plan_rank_check CHECK (((rank >= '-999'::integer) AND (rank <= 999))),
    CONSTRAINT site_plan_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT site_plan_width_check CHECK (((width >= 1) AND (width <= 10000)))
);

ALTER TABLE public.site_plan ALTER COLUMN site_plan_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.site_plan_site_plan_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.site ALTER COLUMN site_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.site_site_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.sparkplug_birth (
    address text NOT NULL,
    alive boolean NOT NULL,
    bd_seq bigint,
    seq smallint,
    stamp_us bigint,
    born_at timestamp with time zone NOT NULL,
    aliases jsonb NOT NULL,
    since_us bigint,
    previous jsonb NOT NULL
);

CREATE TABLE public.statement (
    statement_id integer NOT NULL,
    what text NOT NULL,
    audit_id bigint NOT NULL,
    document text NOT NULL,
    public_key text NOT NULL,
    signature text NOT NULL
);

ALTER TABLE public.statement ALTER COLUMN statement_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.statement_statement_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.timestamp_failure (
    statement_id integer NOT NULL,
    authority text NOT NULL,
    failures integer NOT NULL,
    problem text NOT NULL,
    next_at timestamp with time zone NOT NULL
);

CREATE TABLE public.timestamp_token (
    statement_id integer NOT NULL,
    authority text NOT NULL,
    token bytea NOT NULL,
    vouched_at timestamp with time zone NOT NULL
);

CREATE TABLE public.trial (
    trial_id integer NOT NULL,
    code text NOT NULL,
    title jsonb NOT NULL,
    need_id integer,
    host_id integer NOT NULL,
    company_id integer NOT NULL,
    evaluator_id integer,
    state text DEFAULT 'need'::text NOT NULL,
    time_zone text DEFAULT 'Europe/Paris'::text NOT NULL,
    ends_at timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    shard_id integer DEFAULT 0 NOT NULL,
    CONSTRAINT trial_code_check CHECK ((code ~ '^[a-z0-9][a-z0-9_-]{0,63}$'::text)),
    CONSTRAINT trial_state_check CHECK ((state = ANY (ARRAY['need'::text, 'shortlisted'::text, 'agreement'::text, 'deployment'::text, 'running'::text, 'evaluated'::text, 'buy'::text, 'iterate'::text, 'stop'::text])))
);

CREATE TABLE public.trial_step (
    trial_step_id integer NOT NULL,
    trial_id integer NOT NULL,
    from_state text NOT NULL,
    to_state text NOT NULL,
    at timestamp with time zone NOT NULL,
    by_login text DEFAULT ''::text NOT NULL,
    note text DEFAULT ''::text NOT NULL
);

ALTER TABLE public.trial_step ALTER COLUMN trial_step_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.trial_step_trial_step_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE public.trial ALTER COLUMN trial_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.trial_trial_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.trouble (
    trouble_id bigint NOT NULL,
    kind text NOT NULL,
    trial_id integer,
    device_id integer,
    since timestamp with time zone NOT NULL,
    opened_at timestamp with time zone,
    clear_since timestamp with time zone,
    resolved_at timestamp with time zone,
    is_quiet boolean DEFAULT false NOT NULL,
    detail jsonb NOT NULL,
    CONSTRAINT trouble_check CHECK (((trial_id IS NULL) = (device_id IS NULL))),
    CONSTRAINT trouble_kind_check CHECK (((length(kind) >= 1) AND (length(kind) <= 40)))
);

ALTER TABLE public.trouble ALTER COLUMN trouble_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.trouble_trouble_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.unblinding (
    trial_id integer NOT NULL,
    endpoint text NOT NULL,
    at timestamp with time zone NOT NULL,
    login text NOT NULL,
    reason text NOT NULL,
    CONSTRAINT unblinding_reason_check CHECK ((reason <> ''::text))
);

CREATE TABLE public.unit_conversion (
    unit text NOT NULL,
    sent text NOT NULL,
    scale double precision NOT NULL,
    shift double precision NOT NULL
);

CREATE TABLE public.used_return (
    state_sha256 bytea NOT NULL,
    used_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    CONSTRAINT used_return_state_sha256_check CHECK ((octet_length(state_sha256) = 32))
);

CREATE TABLE public.wall_link (
    wall_link_id integer NOT NULL,
    token_sha256 bytea NOT NULL,
    person_id integer NOT NULL,
    name text NOT NULL,
    trials text[] NOT NULL,
    sites text[] NOT NULL,
    language text NOT NULL,
    created_at timestamp with time zone DEFAULT clock_timestamp() NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    ended_at timestamp with time zone,
    last_opened_at timestamp with time zone,
    CONSTRAINT wall_link_check CHECK ((expires_at <= (created_at + '401 days'::interval))),
    CONSTRAINT wall_link_name_check CHECK (((length(name) >= 1) AND (length(name) <= 60))),
    CONSTRAINT wall_link_token_sha256_check CHECK ((length(token_sha256) = 32))
);

ALTER TABLE public.wall_link ALTER COLUMN wall_link_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.wall_link_wall_link_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

ALTER TABLE ONLY public.access_token_address
    ADD CONSTRAINT access_token_address_pkey PRIMARY KEY (access_token_id, address);

ALTER TABLE ONLY public.access_token
    ADD CONSTRAINT access_token_pkey PRIMARY KEY (access_token_id);

ALTER TABLE ONLY public.access_token
    ADD CONSTRAINT access_token_token_sha256_key UNIQUE (token_sha256);

ALTER TABLE ONLY public.agreement
    ADD CONSTRAINT agreement_pkey PRIMARY KEY (agreement_id);

ALTER TABLE ONLY public.alert_channel
    ADD CONSTRAINT alert_channel_pkey PRIMARY KEY (alert_channel_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_pkey PRIMARY KEY (alert_id);

ALTER TABLE ONLY public.alert_rule
    ADD CONSTRAINT alert_rule_person_id_kind_trial_id_site_id_device_id_key UNIQUE NULLS NOT DISTINCT (person_id, kind, trial_id, site_id, device_id);

ALTER TABLE ONLY public.alert_rule
    ADD CONSTRAINT alert_rule_pkey PRIMARY KEY (alert_rule_id);

ALTER TABLE ONLY public.alert_trouble
    ADD CONSTRAINT alert_trouble_pkey PRIMARY KEY (person_id, trouble_id);

ALTER TABLE ONLY public.audit
    ADD CONSTRAINT audit_pkey PRIMARY KEY (audit_id);

ALTER TABLE ONLY public.backup_state
    ADD CONSTRAINT backup_state_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.boot_sequence
    ADD CONSTRAINT boot_sequence_pkey PRIMARY KEY (device_id, boot);

ALTER TABLE ONLY public.broker_event
    ADD CONSTRAINT broker_event_pkey PRIMARY KEY (username, hour, kind);

ALTER TABLE ONLY public.broker_log
    ADD CONSTRAINT broker_log_pkey PRIMARY KEY (path);

ALTER TABLE ONLY public.broker_state
    ADD CONSTRAINT broker_state_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.catalogue_version
    ADD CONSTRAINT catalogue_version_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.correction
    ADD CONSTRAINT correction_once UNIQUE NULLS NOT DISTINCT (datastream_id, phenomenon_time, file_sha256, reason, import_id);

ALTER TABLE ONLY public.correction
    ADD CONSTRAINT correction_pkey PRIMARY KEY (correction_id);

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_pkey PRIMARY KEY (credential_id);

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_token_sha256_key UNIQUE (token_sha256);

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_username_key UNIQUE (username);

ALTER TABLE ONLY public.datastream
    ADD CONSTRAINT datastream_device_id_name_key UNIQUE (device_id, name);

ALTER TABLE ONLY public.datastream_latest
    ADD CONSTRAINT datastream_latest_pkey PRIMARY KEY (datastream_id);

ALTER TABLE ONLY public.datastream
    ADD CONSTRAINT datastream_pkey PRIMARY KEY (datastream_id);

ALTER TABLE ONLY public.decision
    ADD CONSTRAINT decision_pkey PRIMARY KEY (decision_id);

ALTER TABLE ONLY public.decision
    ADD CONSTRAINT decision_trial_id_key UNIQUE (trial_id);

ALTER TABLE ONLY public.declared_window
    ADD CONSTRAINT declared_window_pkey PRIMARY KEY (window_id);

ALTER TABLE ONLY public.delivery
    ADD CONSTRAINT delivery_pkey PRIMARY KEY (client_id, life, mid, sha256);

ALTER TABLE ONLY public.deployment
    ADD CONSTRAINT deployment_int4range_period_excl EXCLUDE USING gist (int4range(device_id, device_id, '[]'::text) WITH &&, period WITH &&);

ALTER TABLE ONLY public.deployment
    ADD CONSTRAINT deployment_pkey PRIMARY KEY (deployment_id);

ALTER TABLE ONLY public.device_contact
    ADD CONSTRAINT device_contact_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_pkey PRIMARY KEY (device_id);

ALTER TABLE ONLY public.device_remark
    ADD CONSTRAINT device_remark_pkey PRIMARY KEY (device_id, code, subject);

ALTER TABLE ONLY public.device_status
    ADD CONSTRAINT device_status_device_id_at_key UNIQUE (device_id, at);

ALTER TABLE ONLY public.device_status
    ADD CONSTRAINT device_status_pkey PRIMARY KEY (device_status_id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_trial_id_code_key UNIQUE (trial_id, code);

ALTER TABLE ONLY public.erased_rows
    ADD CONSTRAINT erased_rows_pkey PRIMARY KEY (erasure_id, trial, device, table_name);

ALTER TABLE ONLY public.erasure
    ADD CONSTRAINT erasure_pkey PRIMARY KEY (erasure_id);

ALTER TABLE ONLY public.evaluation
    ADD CONSTRAINT evaluation_pkey PRIMARY KEY (evaluation_id);

ALTER TABLE ONLY public.evaluation_request
    ADD CONSTRAINT evaluation_request_pkey PRIMARY KEY (request_id);

ALTER TABLE ONLY public.fact_change
    ADD CONSTRAINT fact_change_pkey PRIMARY KEY (change_id);

ALTER TABLE ONLY public.fixed_topic
    ADD CONSTRAINT fixed_topic_pkey PRIMARY KEY (topic);

ALTER TABLE ONLY public.import_part
    ADD CONSTRAINT import_part_pkey PRIMARY KEY (import_id, datastream_id);

ALTER TABLE ONLY public.import
    ADD CONSTRAINT import_pkey PRIMARY KEY (import_id);

ALTER TABLE ONLY public.ingestor
    ADD CONSTRAINT ingestor_pkey PRIMARY KEY (holder);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.invitation
    ADD CONSTRAINT invitation_pkey PRIMARY KEY (invitation_id);

ALTER TABLE ONLY public.invitation
    ADD CONSTRAINT invitation_token_sha256_key UNIQUE (token_sha256);

ALTER TABLE ONLY public.kept_answer
    ADD CONSTRAINT kept_answer_pkey PRIMARY KEY (person_id, key_sha256);

ALTER TABLE ONLY public.ledger
    ADD CONSTRAINT ledger_pkey PRIMARY KEY (trial, device, hour, reject_id);

ALTER TABLE ONLY public.ledger_reason
    ADD CONSTRAINT ledger_reason_pkey PRIMARY KEY (trial, device, hour, reject_id, outcome, reason);

ALTER TABLE ONLY public.mapping
    ADD CONSTRAINT mapping_pkey PRIMARY KEY (mapping_id);

ALTER TABLE ONLY public.mapping
    ADD CONSTRAINT mapping_trial_id_field_devices_key UNIQUE (trial_id, field, devices);

ALTER TABLE ONLY public.message_digest
    ADD CONSTRAINT message_digest_pkey PRIMARY KEY (device_id, boot, block);

ALTER TABLE ONLY public.need
    ADD CONSTRAINT need_code_key UNIQUE (code);

ALTER TABLE ONLY public.need
    ADD CONSTRAINT need_pkey PRIMARY KEY (need_id);

ALTER TABLE ONLY public.network_address
    ADD CONSTRAINT network_address_pkey PRIMARY KEY (address);

ALTER TABLE ONLY public.network_server
    ADD CONSTRAINT network_server_code_key UNIQUE (code);

ALTER TABLE ONLY public.network_server
    ADD CONSTRAINT network_server_pkey PRIMARY KEY (network_server_id);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_alert_channel_id_about_key UNIQUE (alert_channel_id, about);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_key_key UNIQUE (key);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_pkey PRIMARY KEY (notice_id);

ALTER TABLE ONLY public.observation
    ADD CONSTRAINT observation_pkey PRIMARY KEY (datastream_id, phenomenon_time);

ALTER TABLE ONLY public.observed_property
    ADD CONSTRAINT observed_property_code_key UNIQUE (code);

ALTER TABLE ONLY public.observed_property
    ADD CONSTRAINT observed_property_pkey PRIMARY KEY (property_id);

ALTER TABLE ONLY public.organisation
    ADD CONSTRAINT organisation_code_key UNIQUE (code);

ALTER TABLE ONLY public.organisation
    ADD CONSTRAINT organisation_pkey PRIMARY KEY (organisation_id);

ALTER TABLE ONLY public.outage
    ADD CONSTRAINT outage_pkey PRIMARY KEY (outage_id);

ALTER TABLE ONLY public.packed_day
    ADD CONSTRAINT packed_day_pkey PRIMARY KEY (datastream_id, start_time) INCLUDE (end_time, n, failed);

ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_issuer_subject_key UNIQUE (issuer, subject);

ALTER TABLE public.person
    ADD CONSTRAINT person_login_has_no_colon CHECK ((POSITION((':'::text) IN (login)) = 0)) NOT VALID;

ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_login_key UNIQUE (login);

ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_pkey PRIMARY KEY (person_id);

ALTER TABLE ONLY public.plan_place
    ADD CONSTRAINT plan_place_pkey PRIMARY KEY (deployment_id);

ALTER TABLE ONLY public.probe
    ADD CONSTRAINT probe_pkey PRIMARY KEY (prober, shard_id);

ALTER TABLE ONLY public.protocol_draft
    ADD CONSTRAINT protocol_draft_pkey PRIMARY KEY (trial_id);

ALTER TABLE ONLY public.protocol
    ADD CONSTRAINT protocol_pkey PRIMARY KEY (protocol_id);

ALTER TABLE ONLY public.protocol
    ADD CONSTRAINT protocol_trial_id_version_key UNIQUE (trial_id, version);

ALTER TABLE ONLY public.quality_flag
    ADD CONSTRAINT quality_flag_pkey PRIMARY KEY (datastream_id, phenomenon_time, check_name);

ALTER TABLE ONLY public.quality_run
    ADD CONSTRAINT quality_run_pkey PRIMARY KEY (datastream_id);

ALTER TABLE ONLY public.recovery_code
    ADD CONSTRAINT recovery_code_pkey PRIMARY KEY (person_id, code_sha256);

ALTER TABLE ONLY public.reject
    ADD CONSTRAINT reject_identity_reason_key UNIQUE (identity, reason);

ALTER TABLE ONLY public.reject_kept
    ADD CONSTRAINT reject_kept_pkey PRIMARY KEY (trial, device, hour);

ALTER TABLE ONLY public.reject_overflow
    ADD CONSTRAINT reject_overflow_pkey PRIMARY KEY (trial, device, hour, reason);

ALTER TABLE ONLY public.reject
    ADD CONSTRAINT reject_pkey PRIMARY KEY (reject_id);

ALTER TABLE ONLY public.retention
    ADD CONSTRAINT retention_pkey PRIMARY KEY (trial_id);

ALTER TABLE ONLY public.row_change
    ADD CONSTRAINT row_change_pkey PRIMARY KEY (kind, part, at, key, note_id);

ALTER TABLE ONLY public.saved_view
    ADD CONSTRAINT saved_view_person_id_name_key UNIQUE (person_id, name);

ALTER TABLE ONLY public.saved_view
    ADD CONSTRAINT saved_view_pkey PRIMARY KEY (saved_view_id);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.sealed_day
    ADD CONSTRAINT sealed_day_pkey PRIMARY KEY (kind, part, from_time, seal_id);

ALTER TABLE ONLY public.sealed_part
    ADD CONSTRAINT sealed_part_pkey PRIMARY KEY (kind, part);

ALTER TABLE ONLY public.second_factor
    ADD CONSTRAINT second_factor_pkey PRIMARY KEY (person_id);

ALTER TABLE ONLY public.sensor
    ADD CONSTRAINT sensor_once UNIQUE NULLS NOT DISTINCT (device_id, make, model, serial, since);

ALTER TABLE ONLY public.sensor
    ADD CONSTRAINT sensor_pkey PRIMARY KEY (sensor_id);

ALTER TABLE ONLY public.sensor
    ADD CONSTRAINT sensor_replaces_key UNIQUE (replaces);

ALTER TABLE ONLY public.shard
    ADD CONSTRAINT shard_client_id_key UNIQUE (client_id);

ALTER TABLE ONLY public.shard_count
    ADD CONSTRAINT shard_count_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.shard
    ADD CONSTRAINT shard_pkey PRIMARY KEY (shard_id);

ALTER TABLE ONLY public.sign_in_failure
    ADD CONSTRAINT sign_in_failure_pkey PRIMARY KEY (key);

ALTER TABLE ONLY public.signed_in
    ADD CONSTRAINT signed_in_pkey PRIMARY KEY (token_sha256);

ALTER TABLE ONLY public.signed_in
    ADD CONSTRAINT signed_in_session_id_key UNIQUE (session_id);

ALTER TABLE ONLY public.site
    ADD CONSTRAINT site_code_key UNIQUE (code);

ALTER TABLE ONLY public.site
    ADD CONSTRAINT site_pkey PRIMARY KEY (site_id);

ALTER TABLE ONLY public.site_plan
    ADD CONSTRAINT site_plan_pkey PRIMARY KEY (site_plan_id);

ALTER TABLE ONLY public.site_plan
    ADD CONSTRAINT site_plan_site_id_name_key UNIQUE (site_id, name);

ALTER TABLE ONLY public.sparkplug_birth
    ADD CONSTRAINT sparkplug_birth_pkey PRIMARY KEY (address);

ALTER TABLE ONLY public.statement
    ADD CONSTRAINT statement_pkey PRIMARY KEY (statement_id);

ALTER TABLE ONLY public.statement
    ADD CONSTRAINT statement_what_audit_id_key UNIQUE (what, audit_id);

ALTER TABLE ONLY public.timestamp_failure
    ADD CONSTRAINT timestamp_failure_pkey PRIMARY KEY (statement_id, authority);

ALTER TABLE ONLY public.timestamp_token
    ADD CONSTRAINT timestamp_token_pkey PRIMARY KEY (statement_id, authority);

ALTER TABLE ONLY public.trial
    ADD CONSTRAINT trial_code_key UNIQUE (code);

ALTER TABLE ONLY public.trial
    ADD CONSTRAINT trial_pkey PRIMARY KEY (trial_id);

ALTER TABLE ONLY public.trial_step
    ADD CONSTRAINT trial_step_pkey PRIMARY KEY (trial_step_id);

ALTER TABLE ONLY public.trouble
    ADD CONSTRAINT trouble_pkey PRIMARY KEY (trouble_id);

ALTER TABLE ONLY public.unblinding
    ADD CONSTRAINT unblinding_pkey PRIMARY KEY (trial_id, endpoint);

ALTER TABLE ONLY public.unit_conversion
    ADD CONSTRAINT unit_conversion_pkey PRIMARY KEY (unit, sent);

ALTER TABLE ONLY public.used_return
    ADD CONSTRAINT used_return_pkey PRIMARY KEY (state_sha256);

ALTER TABLE ONLY public.wall_link
    ADD CONSTRAINT wall_link_pkey PRIMARY KEY (wall_link_id);

ALTER TABLE ONLY public.wall_link
    ADD CONSTRAINT wall_link_token_sha256_key UNIQUE (token_sha256);

ALTER TABLE ONLY public.withdrawn_observation
    ADD CONSTRAINT withdrawn_observation_pkey PRIMARY KEY (import_id, datastream_id, phenomenon_time);

CREATE INDEX access_token_by_person ON public.access_token USING btree (person_id);

CREATE INDEX agreement_by_trial ON public.agreement USING btree (trial_id, agreement_id DESC);

CREATE INDEX alert_by_person ON public.alert USING btree (person_id, alert_id DESC);

CREATE INDEX alert_channel_by_person ON public.alert_channel USING btree (person_id) WHERE (removed_at IS NULL);

CREATE INDEX alert_open ON public.alert USING btree (person_id) WHERE (resolved_at IS NULL);

CREATE INDEX alert_trouble_by_alert ON public.alert_trouble USING btree (alert_id);

CREATE INDEX broker_event_by_age ON public.broker_event USING btree (last_at);

CREATE INDEX broker_event_untold ON public.broker_event USING btree (last_at) WHERE (told < events);

CREATE INDEX credential_by_device ON public.credential USING btree (device_id);

CREATE INDEX datastream_by_property ON public.datastream USING btree (property_id);

CREATE INDEX declared_window_by_site ON public.declared_window USING btree (site_id) WHERE (site_id IS NOT NULL);

CREATE INDEX delivered_batch_by_number ON public.delivered_batch USING btree (client_id, number);

CREATE INDEX deployment_by_device ON public.deployment USING btree (device_id);

CREATE INDEX deployment_by_site ON public.deployment USING btree (site_id);

CREATE INDEX evaluation_by_trial ON public.evaluation USING btree (trial_id, evaluation_id DESC);

CREATE INDEX evaluation_request_by_trial ON public.evaluation_request USING btree (trial_id, request_id DESC);

CREATE INDEX fact_change_by_key ON public.fact_change USING btree (kind, key, change_id DESC);

CREATE INDEX fact_change_waiting ON public.fact_change USING btree (change_id) WHERE (seal_id IS NULL);

CREATE INDEX fixed_topic_by_device ON public.fixed_topic USING btree (device_id);

CREATE INDEX invitation_by_person ON public.invitation USING btree (person_id);

CREATE INDEX kept_answer_by_time ON public.kept_answer USING btree (at);

CREATE INDEX network_address_by_device ON public.network_address USING btree (device_id);

CREATE INDEX network_address_by_server ON public.network_address USING btree (network_server_id);

CREATE INDEX notice_by_alert ON public.notice USING btree (alert_id);

CREATE INDEX notice_due ON public.notice USING btree (due_at) WHERE (ended_at IS NULL);

CREATE UNIQUE INDEX one_open_request ON public.evaluation_request USING btree (trial_id) WHERE (ended_at IS NULL);

CREATE INDEX outage_by_end ON public.outage USING btree (ended_at);

CREATE INDEX plan_place_by_plan ON public.plan_place USING btree (site_plan_id);

CREATE INDEX probe_by_age ON public.probe USING btree (committed_at);

CREATE INDEX reject_by_device ON public.reject USING btree (trial, device, reject_id DESC);

CREATE INDEX reject_by_raw_until ON public.reject USING btree (raw_until) WHERE (raw_until IS NOT NULL);

CREATE INDEX sealed_day_by_seal ON public.sealed_day USING btree (seal_id);

CREATE INDEX sign_in_failure_by_since ON public.sign_in_failure USING btree (since);

CREATE INDEX signed_in_by_person ON public.signed_in USING btree (person_id);

CREATE INDEX trial_step_by_trial ON public.trial_step USING btree (trial_id, at);

CREATE INDEX trouble_by_end ON public.trouble USING btree (resolved_at) WHERE (resolved_at IS NOT NULL);

CREATE UNIQUE INDEX trouble_once ON public.trouble USING btree (kind, COALESCE(device_id, 0)) WHERE (resolved_at IS NULL);

CREATE INDEX wall_link_of_person ON public.wall_link USING btree (person_id);

CREATE TRIGGER agreements_stay BEFORE DELETE OR UPDATE ON public.agreement FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_stays BEFORE DELETE OR UPDATE ON public.audit FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.credential FOR EACH STATEMENT EXECUTE FUNCTION public.credentials_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.datastream FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.deployment FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.device FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.fixed_topic FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.mapping FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.network_address FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.observed_property FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.trial FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER changed AFTER INSERT OR DELETE OR UPDATE ON public.unit_conversion FOR EACH STATEMENT EXECUTE FUNCTION public.catalogue_changed();

CREATE TRIGGER corrections_stay BEFORE DELETE OR UPDATE ON public.correction FOR EACH ROW EXECUTE FUNCTION public.refuse_unless_erased();

CREATE TRIGGER credentials_changed AFTER INSERT OR DELETE OR UPDATE ON public.fixed_topic FOR EACH STATEMENT EXECUTE FUNCTION public.credentials_changed();

CREATE TRIGGER credentials_changed AFTER INSERT OR DELETE OR UPDATE ON public.network_address FOR EACH STATEMENT EXECUTE FUNCTION public.credentials_changed();

CREATE TRIGGER credentials_changed AFTER UPDATE OF filters ON public.shard FOR EACH STATEMENT EXECUTE FUNCTION public.credentials_changed();

CREATE TRIGGER decisions_stay BEFORE DELETE OR UPDATE ON public.decision FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER erased_rows_stay BEFORE DELETE OR UPDATE ON public.erased_rows FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER erasures_stay BEFORE DELETE OR UPDATE ON public.erasure FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER evaluations_stay BEFORE DELETE OR UPDATE ON public.evaluation FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER listener_changed AFTER INSERT OR UPDATE ON public.alert_channel FOR EACH ROW WHEN ((new.kind = 'mqtt'::text)) EXECUTE FUNCTION public.credentials_changed();

CREATE TRIGGER listener_changed AFTER UPDATE OF disabled_at ON public.person FOR EACH ROW WHEN ((old.disabled_at IS DISTINCT FROM new.disabled_at)) EXECUTE FUNCTION public.credentials_changed();

CREATE TRIGGER locked_protocols_stay BEFORE DELETE OR UPDATE ON public.protocol FOR EACH ROW WHEN ((old.locked_at IS NOT NULL)) EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER noted AFTER INSERT ON public.audit FOR EACH ROW EXECUTE FUNCTION public.note_act();

CREATE TRIGGER noted_delete AFTER DELETE ON public.access_token REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.agreement REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.correction REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.correction_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_delete AFTER DELETE ON public.credential REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.datastream REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.decision REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.declared_window REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.deployment REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.device REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.device_status REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.device_id', 'r.at', 'r.device_status_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_delete AFTER DELETE ON public.erased_rows REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.erasure REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.evaluation REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.fixed_topic REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.import REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.import_part REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.installation REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.invitation REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.ledger REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_delete AFTER DELETE ON public.ledger_reason REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id, r.outcome, r.reason)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_delete AFTER DELETE ON public.mapping REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.need REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.network_address REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.network_server REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.observation FOR EACH ROW WHEN ((current_setting('insitu.packs'::text, true) IS DISTINCT FROM 'on'::text)) EXECUTE FUNCTION public.note_deleted_result();

CREATE TRIGGER noted_delete AFTER DELETE ON public.observed_property REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.organisation REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.person REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.protocol REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.quality_flag REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.check_name', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_delete AFTER DELETE ON public.quality_run REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.recovery_code REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.reject REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.received_at', 'r.reject_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_delete AFTER DELETE ON public.reject_overflow REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reason)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_delete AFTER DELETE ON public.retention REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.second_factor REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.sensor REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.shard_count REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.signed_in REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.site REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.trial REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.trial_step REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.unblinding REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.unit_conversion REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.wall_link REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_delete AFTER DELETE ON public.withdrawn_observation REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.import_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.access_token REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.agreement REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.correction REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.correction_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.credential REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.datastream REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.decision REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.declared_window REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.deployment REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.device REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.device_status REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.device_id', 'r.at', 'r.device_status_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.erased_rows REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.erasure REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.evaluation REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.fixed_topic REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.import REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.import_part REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.installation REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.invitation REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.ledger REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.ledger_reason REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id, r.outcome, r.reason)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.mapping REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.need REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.network_address REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.network_server REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.observed_property REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.organisation REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.person REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.protocol REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.quality_flag REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.check_name', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.quality_run REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.recovery_code REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.reject REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.received_at', 'r.reject_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.reject_overflow REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reason)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_insert AFTER INSERT ON public.retention REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.second_factor REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.sensor REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.shard_count REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.signed_in REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.site REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.trial REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.trial_step REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.unblinding REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.unit_conversion REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.wall_link REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_insert AFTER INSERT ON public.withdrawn_observation REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.import_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.access_token REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.agreement REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.correction REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.correction_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.credential REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.datastream REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.decision REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.declared_window REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.deployment REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.device REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.device_status REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.device_id', 'r.at', 'r.device_status_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.erased_rows REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.erasure REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.evaluation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.fixed_topic REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.import REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.import_part REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.installation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.invitation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.ledger REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.ledger_reason REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id, r.outcome, r.reason)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.mapping REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.need REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.network_address REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.network_server REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.observation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', '''''', 'result_digest(r.datastream_id, r.phenomenon_time, r.result, r.received_at, r.clock_quality, r.flag, r.import_id)');

CREATE TRIGGER noted_update AFTER UPDATE ON public.observed_property REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.organisation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.person REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.protocol REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.quality_flag REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.check_name', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.quality_run REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.recovery_code REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.reject REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.received_at', 'r.reject_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.reject_overflow REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reason)', 'row_digest(to_jsonb(r))');

CREATE TRIGGER noted_update AFTER UPDATE ON public.retention REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.second_factor REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.sensor REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.shard_count REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.signed_in REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.site REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.trial REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.trial_step REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.unblinding REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.unit_conversion REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.wall_link REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_fact();

CREATE TRIGGER noted_update AFTER UPDATE ON public.withdrawn_observation REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION public.note_rows('r.datastream_id', 'r.phenomenon_time', 'r.import_id::text', 'row_digest(to_jsonb(r))');

CREATE TRIGGER nothing_locked_after_decision BEFORE INSERT OR UPDATE ON public.protocol FOR EACH ROW WHEN ((new.locked_at IS NOT NULL)) EXECUTE FUNCTION public.refuse_lock_after_decision();

CREATE TRIGGER role_fits BEFORE INSERT OR UPDATE OF role, organisation_id ON public.person FOR EACH ROW EXECUTE FUNCTION public.fit_role();

CREATE TRIGGER sealed_changes_stay BEFORE DELETE OR UPDATE ON public.fact_change FOR EACH ROW WHEN ((old.seal_id IS NOT NULL)) EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER sealed_days_stay BEFORE DELETE OR UPDATE ON public.sealed_day FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER statements_stay BEFORE DELETE OR UPDATE ON public.statement FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER tokens_stay BEFORE DELETE OR UPDATE ON public.timestamp_token FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER unblindings_stay BEFORE DELETE OR UPDATE ON public.unblinding FOR EACH ROW EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER withdrawn_observations_stay BEFORE DELETE OR UPDATE ON public.withdrawn_observation FOR EACH ROW EXECUTE FUNCTION public.refuse_unless_erased();

ALTER TABLE ONLY public.access_token_address
    ADD CONSTRAINT access_token_address_access_token_id_fkey FOREIGN KEY (access_token_id) REFERENCES public.access_token(access_token_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.access_token
    ADD CONSTRAINT access_token_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisation(organisation_id);

ALTER TABLE ONLY public.access_token
    ADD CONSTRAINT access_token_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.agreement
    ADD CONSTRAINT agreement_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.alert_channel
    ADD CONSTRAINT alert_channel_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_rule
    ADD CONSTRAINT alert_rule_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.alert_rule
    ADD CONSTRAINT alert_rule_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_rule
    ADD CONSTRAINT alert_rule_site_id_fkey FOREIGN KEY (site_id) REFERENCES public.site(site_id);

ALTER TABLE ONLY public.alert_rule
    ADD CONSTRAINT alert_rule_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_site_id_fkey FOREIGN KEY (site_id) REFERENCES public.site(site_id);

ALTER TABLE ONLY public.alert
    ADD CONSTRAINT alert_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.alert_trouble
    ADD CONSTRAINT alert_trouble_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES public.alert(alert_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_trouble
    ADD CONSTRAINT alert_trouble_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.alert_trouble
    ADD CONSTRAINT alert_trouble_trouble_id_fkey FOREIGN KEY (trouble_id) REFERENCES public.trouble(trouble_id);

ALTER TABLE ONLY public.boot_sequence
    ADD CONSTRAINT boot_sequence_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.correction
    ADD CONSTRAINT correction_datastream_id_fkey FOREIGN KEY (datastream_id) REFERENCES public.datastream(datastream_id);

ALTER TABLE ONLY public.correction
    ADD CONSTRAINT correction_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.import(import_id);

ALTER TABLE ONLY public.correction
    ADD CONSTRAINT correction_old_import_id_fkey FOREIGN KEY (old_import_id) REFERENCES public.import(import_id);

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.credential
    ADD CONSTRAINT credential_network_server_id_fkey FOREIGN KEY (network_server_id) REFERENCES public.network_server(network_server_id);

ALTER TABLE ONLY public.datastream
    ADD CONSTRAINT datastream_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.datastream_latest
    ADD CONSTRAINT datastream_latest_datastream_id_fkey FOREIGN KEY (datastream_id) REFERENCES public.datastream(datastream_id);

ALTER TABLE ONLY public.datastream
    ADD CONSTRAINT datastream_property_id_fkey FOREIGN KEY (property_id) REFERENCES public.observed_property(property_id);

ALTER TABLE ONLY public.datastream
    ADD CONSTRAINT datastream_sensor_id_fkey FOREIGN KEY (sensor_id) REFERENCES public.sensor(sensor_id);

ALTER TABLE ONLY public.decision
    ADD CONSTRAINT decision_evaluation_id_fkey FOREIGN KEY (evaluation_id) REFERENCES public.evaluation(evaluation_id);

ALTER TABLE ONLY public.decision
    ADD CONSTRAINT decision_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.declared_window
    ADD CONSTRAINT declared_window_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.declared_window
    ADD CONSTRAINT declared_window_site_id_fkey FOREIGN KEY (site_id) REFERENCES public.site(site_id);

ALTER TABLE ONLY public.declared_window
    ADD CONSTRAINT declared_window_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.deployment
    ADD CONSTRAINT deployment_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.deployment
    ADD CONSTRAINT deployment_site_id_fkey FOREIGN KEY (site_id) REFERENCES public.site(site_id);

ALTER TABLE ONLY public.device_contact
    ADD CONSTRAINT device_contact_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.device_remark
    ADD CONSTRAINT device_remark_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.device_status
    ADD CONSTRAINT device_status_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.device
    ADD CONSTRAINT device_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.erased_rows
    ADD CONSTRAINT erased_rows_erasure_id_fkey FOREIGN KEY (erasure_id) REFERENCES public.erasure(erasure_id);

ALTER TABLE ONLY public.evaluation
    ADD CONSTRAINT evaluation_protocol_id_fkey FOREIGN KEY (protocol_id) REFERENCES public.protocol(protocol_id);

ALTER TABLE ONLY public.evaluation_request
    ADD CONSTRAINT evaluation_request_evaluation_id_fkey FOREIGN KEY (evaluation_id) REFERENCES public.evaluation(evaluation_id);

ALTER TABLE ONLY public.evaluation_request
    ADD CONSTRAINT evaluation_request_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.evaluation
    ADD CONSTRAINT evaluation_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.fixed_topic
    ADD CONSTRAINT fixed_topic_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.import_part
    ADD CONSTRAINT import_part_datastream_id_fkey FOREIGN KEY (datastream_id) REFERENCES public.datastream(datastream_id);

ALTER TABLE ONLY public.import_part
    ADD CONSTRAINT import_part_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.import(import_id);

ALTER TABLE ONLY public.import
    ADD CONSTRAINT import_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.invitation
    ADD CONSTRAINT invitation_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.kept_answer
    ADD CONSTRAINT kept_answer_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id);

ALTER TABLE ONLY public.mapping
    ADD CONSTRAINT mapping_property_id_fkey FOREIGN KEY (property_id) REFERENCES public.observed_property(property_id);

ALTER TABLE ONLY public.mapping
    ADD CONSTRAINT mapping_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.message_digest
    ADD CONSTRAINT message_digest_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.need
    ADD CONSTRAINT need_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.organisation(organisation_id);

ALTER TABLE ONLY public.network_address
    ADD CONSTRAINT network_address_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.network_address
    ADD CONSTRAINT network_address_network_server_id_fkey FOREIGN KEY (network_server_id) REFERENCES public.network_server(network_server_id);

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_alert_channel_id_fkey FOREIGN KEY (alert_channel_id) REFERENCES public.alert_channel(alert_channel_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.notice
    ADD CONSTRAINT notice_alert_id_fkey FOREIGN KEY (alert_id) REFERENCES public.alert(alert_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.packed_day
    ADD CONSTRAINT packed_day_datastream_id_fkey FOREIGN KEY (datastream_id) REFERENCES public.datastream(datastream_id);

ALTER TABLE ONLY public.person
    ADD CONSTRAINT person_organisation_id_fkey FOREIGN KEY (organisation_id) REFERENCES public.organisation(organisation_id);

ALTER TABLE ONLY public.plan_place
    ADD CONSTRAINT plan_place_deployment_id_fkey FOREIGN KEY (deployment_id) REFERENCES public.deployment(deployment_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.plan_place
    ADD CONSTRAINT plan_place_site_plan_id_fkey FOREIGN KEY (site_plan_id) REFERENCES public.site_plan(site_plan_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.protocol_draft
    ADD CONSTRAINT protocol_draft_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.protocol
    ADD CONSTRAINT protocol_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.quality_run
    ADD CONSTRAINT quality_run_datastream_id_fkey FOREIGN KEY (datastream_id) REFERENCES public.datastream(datastream_id);

ALTER TABLE ONLY public.recovery_code
    ADD CONSTRAINT recovery_code_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.second_factor(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.reject
    ADD CONSTRAINT reject_erased_by_fkey FOREIGN KEY (erased_by) REFERENCES public.erasure(erasure_id);

ALTER TABLE ONLY public.retention
    ADD CONSTRAINT retention_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.saved_view
    ADD CONSTRAINT saved_view_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id);

ALTER TABLE ONLY public.second_factor
    ADD CONSTRAINT second_factor_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.sensor
    ADD CONSTRAINT sensor_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.sensor
    ADD CONSTRAINT sensor_replaces_fkey FOREIGN KEY (replaces) REFERENCES public.sensor(sensor_id);

ALTER TABLE ONLY public.signed_in
    ADD CONSTRAINT signed_in_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id) ON DELETE CASCADE;

ALTER TABLE ONLY public.site
    ADD CONSTRAINT site_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.organisation(organisation_id);

ALTER TABLE ONLY public.site_plan
    ADD CONSTRAINT site_plan_site_id_fkey FOREIGN KEY (site_id) REFERENCES public.site(site_id);

ALTER TABLE ONLY public.timestamp_failure
    ADD CONSTRAINT timestamp_failure_statement_id_fkey FOREIGN KEY (statement_id) REFERENCES public.statement(statement_id);

ALTER TABLE ONLY public.timestamp_token
    ADD CONSTRAINT timestamp_token_statement_id_fkey FOREIGN KEY (statement_id) REFERENCES public.statement(statement_id);

ALTER TABLE ONLY public.trial
    ADD CONSTRAINT trial_company_id_fkey FOREIGN KEY (company_id) REFERENCES public.organisation(organisation_id);

ALTER TABLE ONLY public.trial
    ADD CONSTRAINT trial_evaluator_id_fkey FOREIGN KEY (evaluator_id) REFERENCES public.organisation(organisation_id);

ALTER TABLE ONLY public.trial
    ADD CONSTRAINT trial_host_id_fkey FOREIGN KEY (host_id) REFERENCES public.organisation(organisation_id);

ALTER TABLE ONLY public.trial
    ADD CONSTRAINT trial_need_id_fkey FOREIGN KEY (need_id) REFERENCES public.need(need_id);

ALTER TABLE ONLY public.trial_step
    ADD CONSTRAINT trial_step_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.trouble
    ADD CONSTRAINT trouble_device_id_fkey FOREIGN KEY (device_id) REFERENCES public.device(device_id);

ALTER TABLE ONLY public.trouble
    ADD CONSTRAINT trouble_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.unblinding
    ADD CONSTRAINT unblinding_trial_id_fkey FOREIGN KEY (trial_id) REFERENCES public.trial(trial_id);

ALTER TABLE ONLY public.wall_link
    ADD CONSTRAINT wall_link_person_id_fkey FOREIGN KEY (person_id) REFERENCES public.person(person_id);

ALTER TABLE ONLY public.withdrawn_observation
    ADD CONSTRAINT withdrawn_observation_datastream_id_fkey FOREIGN KEY (datastream_id) REFERENCES public.datastream(datastream_id);

ALTER TABLE ONLY public.withdrawn_observation
    ADD CONSTRAINT withdrawn_observation_import_id_fkey FOREIGN KEY (import_id) REFERENCES public.import(import_id);

ALTER TABLE public.agreement ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.audit ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.datastream ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.decision ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.deployment ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.device ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.erased_rows ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.erasure ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evaluation ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.evaluation_request ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.ledger_reason ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.plan_place ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.protocol ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.protocol_draft ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.reject ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.reject_overflow ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.retention ENABLE ROW LEVEL SECURITY;

CREATE POLICY seen ON public.agreement USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.audit USING (( SELECT public.sees_all() AS sees_all));

CREATE POLICY seen ON public.datastream USING ((( SELECT public.sees_all() AS sees_all) OR (device_id IN ( SELECT device.device_id
   FROM public.device))));

CREATE POLICY seen ON public.decision USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.deployment USING ((( SELECT public.sees_all() AS sees_all) OR (device_id IN ( SELECT device.device_id
   FROM public.device))));

CREATE POLICY seen ON public.device USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.erased_rows USING ((( SELECT public.sees_all() AS sees_all) OR (trial = ANY (( SELECT public.seen_codes() AS seen_codes)::text[]))));

CREATE POLICY seen ON public.erasure USING ((( SELECT public.sees_all() AS sees_all) OR (trial = ANY (( SELECT public.seen_codes() AS seen_codes)::text[]))));

CREATE POLICY seen ON public.evaluation USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.evaluation_request USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.ledger USING ((( SELECT public.sees_all() AS sees_all) OR (trial = ANY (( SELECT public.seen_codes() AS seen_codes)::text[]))));

CREATE POLICY seen ON public.ledger_reason USING ((( SELECT public.sees_all() AS sees_all) OR (trial = ANY (( SELECT public.seen_codes() AS seen_codes)::text[]))));

CREATE POLICY seen ON public.plan_place USING ((( SELECT public.sees_all() AS sees_all) OR (deployment_id IN ( SELECT deployment.deployment_id
   FROM public.deployment))));

CREATE POLICY seen ON public.protocol USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.protocol_draft USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.reject USING ((( SELECT public.sees_all() AS sees_all) OR (trial = ANY (( SELECT public.seen_codes() AS seen_codes)::text[]))));

CREATE POLICY seen ON public.reject_overflow USING ((( SELECT public.sees_all() AS sees_all) OR (trial = ANY (( SELECT public.seen_codes() AS seen_codes)::text[]))));

CREATE POLICY seen ON public.retention USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.trial USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.trial_step USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.trouble USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY seen ON public.unblinding USING ((( SELECT public.sees_all() AS sees_all) OR (trial_id = ANY (( SELECT public.seen_trials() AS seen_trials)::integer[]))));

CREATE POLICY service ON public.agreement TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.audit TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.datastream TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.decision TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.deployment TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.device TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.erased_rows TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.erasure TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.evaluation TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.evaluation_request TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.ledger TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.ledger_reason TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.plan_place TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.protocol TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.protocol_draft TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.reject TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.reject_overflow TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.retention TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.trial TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.trial_step TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.trouble TO insitu_service USING (true) WITH CHECK (true);

CREATE POLICY service ON public.unblinding TO insitu_service USING (true) WITH CHECK (true);

ALTER TABLE public.trial ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.trial_step ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.trouble ENABLE ROW LEVEL SECURITY;

ALTER TABLE public.unblinding ENABLE ROW LEVEL SECURITY;
