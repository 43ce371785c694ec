-- Every registered fact has a digest that the audit log vouches for, and every settled day of results has one too: a row that is
-- changed past Insitu is seen (docs/decisions/0023). Triggers note what changes, the job seals it with a line, `check` recomputes it.

-- The registered facts: tables on whose rows a verdict, a report or a right rests. `key` names a row; on the columns `without`
-- nothing rests: they say when something was used last, or which language somebody reads.
CREATE FUNCTION fact_tables() RETURNS TABLE (name text, key text[], without text[]) LANGUAGE sql IMMUTABLE AS $$
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
           ('trial_step', '{trial_step_id}', '{}'), ('unblinding', '{trial_id,endpoint}', '{}'), ('unit_conversion', '{unit,sent}', '{}')
$$;

-- The digest of a row: SHA-256 of its columns as jsonb writes them, without those that are null, so that a new column that is null
-- changes no digest.
CREATE FUNCTION fact_digest(fact jsonb, without text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT encode(sha256(convert_to((SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(fact - without) e
                                     WHERE e.value <> 'null')::text, 'UTF8')), 'hex')
$$;

-- The name of a row; of bytes, such as the hash of a code that lets somebody in, only a hash.
CREATE FUNCTION fact_key(fact jsonb, key text[]) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT string_agg(CASE WHEN starts_with(x.value, '\x') THEN encode(sha256(convert_to(x.value, 'UTF8')), 'hex') ELSE x.value END, ' ' ORDER BY x.at)
    FROM (SELECT fact->>k.name AS value, k.at FROM unnest(key) WITH ORDINALITY AS k(name, at)) x
$$;

-- Changes of registered facts, in order. A change without `seal_id` waits for the job; then a line of the audit log has the hash of
-- all changes of its seal. An empty digest: the row is gone. `how`: found (by a migration), enter, change, remove, or act: a
-- line of the audit log; the seal drops its row. A change in a transaction without a line is one past Insitu (`is_act` false).
CREATE TABLE fact_change (
    change_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind      text NOT NULL,
    key       text NOT NULL,
    sha256    text NOT NULL,
    how       text NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid       xid8 DEFAULT pg_current_xact_id(),
    is_act    boolean,
    seal_id   int
);
CREATE INDEX fact_change_by_key ON fact_change (kind, key, change_id DESC);       -- serves differing_facts
CREATE INDEX fact_change_waiting ON fact_change (change_id) WHERE seal_id IS NULL; -- serves seal_facts

CREATE TRIGGER sealed_changes_stay BEFORE UPDATE OR DELETE ON fact_change FOR EACH ROW WHEN (OLD.seal_id IS NOT NULL)
    EXECUTE FUNCTION refuse_change();

CREATE FUNCTION note_fact() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
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

-- Tells which transactions have a line.
CREATE FUNCTION note_act() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO fact_change (kind, key, sha256, how) VALUES ('audit', NEW.audit_id, '', 'act');
    RETURN NULL;
END $$;
CREATE TRIGGER noted AFTER INSERT ON audit FOR EACH ROW EXECUTE FUNCTION note_act();

-- The registered facts as they are now; `name` helps a reader.
CREATE FUNCTION facts_now() RETURNS TABLE (kind text, key text, sha256 text, name text) LANGUAGE plpgsql STABLE
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    it record;
BEGIN
    FOR it IN SELECT * FROM fact_tables() LOOP
        RETURN QUERY EXECUTE format('SELECT %L, fact_key(x.j, %L), fact_digest(x.j, %L), '
            'coalesce(x.j->>''code'', x.j->>''login'', x.j->>''username'', x.j->>''field'', x.j->>''name'', '''') '
            'FROM (SELECT to_jsonb(r) AS j FROM %I r) x', it.name, it.key, it.without, it.name);
    END LOOP;
END $$;

-- Facts that are not as their last change says.
CREATE FUNCTION differing_facts() RETURNS TABLE (kind text, key text, name text, problem text, sha256 text) LANGUAGE sql STABLE AS $$
    SELECT coalesce(n.kind, l.kind), coalesce(n.key, l.key), coalesce(n.name, ''),
           CASE WHEN n.kind IS NULL THEN 'gone' WHEN coalesce(l.sha256, '') = '' THEN 'unknown' ELSE 'changed' END, coalesce(n.sha256, '')
    FROM facts_now() n
    FULL JOIN (SELECT DISTINCT ON (c.kind, c.key) c.kind, c.key, c.sha256 FROM fact_change c WHERE c.how <> 'act'
               ORDER BY c.kind, c.key, c.change_id DESC) l ON l.kind = n.kind AND l.key = n.key
    WHERE coalesce(n.sha256, '') <> coalesce(l.sha256, '')
$$;

-- Called by `migrate` after later migrations: what they changed, or whose digest they changed with a new column, counts as found; a fact
-- that differed before them still does. `above`: the last change before them.
CREATE FUNCTION find_facts_again(differed text[], above bigint) RETURNS void LANGUAGE sql AS $$
    UPDATE fact_change SET how = 'found' WHERE change_id > above AND seal_id IS NULL AND how IN ('enter', 'change');
    INSERT INTO fact_change (kind, key, sha256, how)
    SELECT d.kind, d.key, d.sha256, 'found' FROM differing_facts() d WHERE NOT d.kind || ' ' || d.key = ANY (differed);
$$;

DO $$
DECLARE
    it record;
BEGIN
    FOR it IN SELECT * FROM fact_tables() LOOP
        EXECUTE format('CREATE TRIGGER noted_insert AFTER INSERT ON %I REFERENCING NEW TABLE AS new_rows '
                       'FOR EACH STATEMENT EXECUTE FUNCTION note_fact()', it.name);
        EXECUTE format('CREATE TRIGGER noted_update AFTER UPDATE ON %I REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows '
                       'FOR EACH STATEMENT EXECUTE FUNCTION note_fact()', it.name);
        EXECUTE format('CREATE TRIGGER noted_delete AFTER DELETE ON %I REFERENCING OLD TABLE AS old_rows '
                       'FOR EACH STATEMENT EXECUTE FUNCTION note_fact()', it.name);
    END LOOP;
END $$;

-- Rows of older versions, as they were found.
INSERT INTO fact_change (kind, key, sha256, how) SELECT f.kind, f.key, f.sha256, 'found' FROM facts_now() f;

-- Results and what is booked about them: too many for a line each. A row belongs to a part (a datastream or a device; 0: to the whole
-- installation) and to a time; the rows of a part and a local day share one digest once the day is settled.
CREATE FUNCTION row_digest(booked jsonb) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to((SELECT jsonb_object_agg(e.key, e.value) FROM jsonb_each(booked) e WHERE e.value <> 'null')::text, 'UTF8'))
$$;

-- `float8send` and the others give the bytes of the binary protocol, the same on every machine.
CREATE FUNCTION result_digest(datastream_id int, phenomenon_time timestamptz, result float8, received_at timestamptz, clock_quality smallint,
                              flag smallint, import_id int) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(int4send(datastream_id) || timestamptz_send(phenomenon_time) || float8send(result) || timestamptz_send(received_at)
                  || int2send(clock_quality) || int2send(flag) || coalesce(int4send(import_id), ''))
$$;

CREATE VIEW sealable_row AS
    SELECT 'observation' AS kind, datastream_id AS part, phenomenon_time AS at, '' AS key,
           result_digest(datastream_id, phenomenon_time, result, received_at, clock_quality, flag, import_id) AS digest FROM observation
    UNION ALL SELECT 'withdrawn_observation', datastream_id, phenomenon_time, import_id::text, row_digest(to_jsonb(r)) FROM withdrawn_observation r
    UNION ALL SELECT 'correction', datastream_id, phenomenon_time, correction_id::text, row_digest(to_jsonb(r)) FROM correction r
    UNION ALL SELECT 'quality_flag', datastream_id, phenomenon_time, check_name, row_digest(to_jsonb(r)) FROM quality_flag r
    UNION ALL SELECT 'device_status', device_id, at, device_status_id::text, row_digest(to_jsonb(r)) FROM device_status r
    UNION ALL SELECT 'reject', 0, received_at, reject_id::text, row_digest(to_jsonb(r)) FROM reject r
    UNION ALL SELECT 'reject_overflow', 0, hour, concat_ws(' ', trial, device, reason), row_digest(to_jsonb(r)) FROM reject_overflow r
    UNION ALL SELECT 'ledger', 0, hour, concat_ws(' ', trial, device, reject_id), row_digest(to_jsonb(r)) FROM ledger r
    UNION ALL SELECT 'ledger_reason', 0, hour, concat_ws(' ', trial, device, reject_id, outcome, reason), row_digest(to_jsonb(r)) FROM ledger_reason r;

-- Up to when each part is sealed, and up to when changes are noted: `noted_until` moves first, and a day is sealed only when every
-- transaction that may not have seen the move has ended.
CREATE TABLE sealed_part (
    kind         text NOT NULL,
    part         int NOT NULL,
    noted_until  timestamptz NOT NULL,
    sealed_until timestamptz NOT NULL DEFAULT '-infinity',
    time_zone    text NOT NULL,
    PRIMARY KEY (kind, part)
);

-- The digest of the rows of a part in `[from_time, to_time)`, in order of time and key; of several, the one of the newest seal counts.
CREATE TABLE sealed_day (
    seal_id   int NOT NULL,
    kind      text NOT NULL,
    part      int NOT NULL,
    from_time timestamptz NOT NULL,
    to_time   timestamptz NOT NULL,
    rows      bigint NOT NULL,
    sha256    text NOT NULL,
    PRIMARY KEY (kind, part, from_time, seal_id)
);
CREATE INDEX sealed_day_by_seal ON sealed_day (seal_id); -- serves wrong_seals
CREATE TRIGGER sealed_days_stay BEFORE UPDATE OR DELETE ON sealed_day FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Rows of noted days that an act of Insitu added, changed or removed since the seal: what the row was then (null: it was not there).
-- The next seal takes them in.
CREATE TABLE row_change (
    kind text NOT NULL,
    part int NOT NULL,
    at   timestamptz NOT NULL,
    key  text NOT NULL,
    was  bytea,
    PRIMARY KEY (kind, part, at, key)
);

-- Arguments: the part, the time, the key and the digest of a row `r`, as in `sealable_row`.
CREATE FUNCTION note_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
DECLARE
    noted text := 'INSERT INTO row_change (kind, part, at, key, was) SELECT %1$L, %2$s, %3$s, %4$s, %5$s FROM %6$s r '
                  'JOIN sealed_part s ON s.kind = %1$L AND s.part = %2$s AND %3$s < s.noted_until ON CONFLICT DO NOTHING';
BEGIN
    IF NOT EXISTS (SELECT FROM sealed_part s WHERE s.kind = TG_TABLE_NAME) THEN
        RETURN NULL;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        EXECUTE format(noted, TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], TG_ARGV[3], 'old_rows');
    END IF;
    IF TG_OP <> 'DELETE' THEN
        EXECUTE format(noted, TG_TABLE_NAME, TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], 'NULL', 'new_rows');
    END IF;
    RETURN NULL;
END $$;

-- Results are inserted by COPY and by `merge` alone. A COPY is newer than what is noted, so no trigger has to look at it; `merge` notes
-- its own rows.
DO $$
DECLARE
    it record;
    event record;
BEGIN
    FOR it IN VALUES
        ('observation', 'r.datastream_id', 'r.phenomenon_time', '''''',
         'result_digest(r.datastream_id, r.phenomenon_time, r.result, r.received_at, r.clock_quality, r.flag, r.import_id)'),
        ('withdrawn_observation', 'r.datastream_id', 'r.phenomenon_time', 'r.import_id::text', 'row_digest(to_jsonb(r))'),
        ('correction', 'r.datastream_id', 'r.phenomenon_time', 'r.correction_id::text', 'row_digest(to_jsonb(r))'),
        ('quality_flag', 'r.datastream_id', 'r.phenomenon_time', 'r.check_name', 'row_digest(to_jsonb(r))'),
        ('device_status', 'r.device_id', 'r.at', 'r.device_status_id::text', 'row_digest(to_jsonb(r))'),
        ('reject', '0', 'r.received_at', 'r.reject_id::text', 'row_digest(to_jsonb(r))'),
        ('reject_overflow', '0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reason)', 'row_digest(to_jsonb(r))'),
        ('ledger', '0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id)', 'row_digest(to_jsonb(r))'),
        ('ledger_reason', '0', 'r.hour', 'concat_ws('' '', r.trial, r.device, r.reject_id, r.outcome, r.reason)', 'row_digest(to_jsonb(r))')
    LOOP
        FOR event IN VALUES ('INSERT', 'NEW TABLE AS new_rows'), ('UPDATE', 'OLD TABLE AS old_rows NEW TABLE AS new_rows'),
                            ('DELETE', 'OLD TABLE AS old_rows') LOOP
            CONTINUE WHEN it.column1 = 'observation' AND event.column1 IN ('INSERT', 'DELETE'); -- 0034 notes what is deleted
            EXECUTE format('CREATE TRIGGER noted_%s AFTER %s ON %I REFERENCING %s FOR EACH STATEMENT EXECUTE FUNCTION note_rows(%L, %L, %L, %L)',
                           lower(event.column1), event.column1, it.column1, event.column2, it.column2, it.column3, it.column4, it.column5);
        END LOOP;
    END LOOP;
END $$;

-- Number and digest of a part's rows in a span: as they are, or (`as_sealed`) as they were, without what was noted since.
CREATE FUNCTION content_of(of_kind text, of_part int, since timestamptz, until timestamptz, as_sealed boolean)
    RETURNS TABLE (rows bigint, sha256 text) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
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
            SELECT c.at, c.key, c.was FROM row_change c
            WHERE c.kind = of_kind AND c.part = of_part AND c.at >= since AND c.at < until AND c.was IS NOT NULL) x;
    END IF;
END $$;

-- Whether an act of Insitu explains that a result is no longer what it was: the checks gave it another flag, it was corrected or
-- withdrawn and is kept there, or it was erased.
CREATE FUNCTION is_explained(of_stream int, since timestamptz, was bytea) RETURNS boolean LANGUAGE sql STABLE AS $$
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

-- Sealed days in which something was noted since, with the digest of their seal; a day that was empty then has none. `explained` if
-- acts of Insitu explain every result that is no longer what it was.
CREATE VIEW noted_day AS
    SELECT c.kind, c.part,
           coalesce(l.from_time, greatest(date_trunc('day', c.at, p.time_zone), (SELECT max(b.to_time) FROM sealed_day b
               WHERE b.kind = c.kind AND b.part = c.part AND b.to_time <= c.at))) AS from_time,
           coalesce(l.to_time, least(date_add(date_trunc('day', c.at, p.time_zone), '1 day', p.time_zone), p.sealed_until, (
               SELECT min(b.from_time) FROM sealed_day b WHERE b.kind = c.kind AND b.part = c.part AND b.from_time > c.at))) AS to_time,
           coalesce(l.sha256, encode(sha256(''), 'hex')) AS sha256,
           bool_and(c.kind <> 'observation' OR c.was IS NULL OR is_explained(c.part, c.at, c.was)) AS explained
    FROM row_change c JOIN sealed_part p ON p.kind = c.kind AND p.part = c.part AND c.at < p.sealed_until
    LEFT JOIN LATERAL (SELECT d.from_time, d.to_time, d.sha256 FROM sealed_day d
                       WHERE d.kind = c.kind AND d.part = c.part AND d.from_time <= c.at AND d.to_time > c.at
                       ORDER BY d.from_time DESC, d.seal_id DESC LIMIT 1) l ON true
    GROUP BY 1, 2, 3, 4, 5;
