-- The whole catalogue as one file: its rows as JSON with their numbers, so that evaluations, decisions and addresses of pages keep
-- theirs, and the way back into an installation that has none. Only the owner of the tables may go that way: it sets numbers.
CREATE FUNCTION catalogue_columns(of_table text, left_out text[]) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT array_agg(a.attname::text ORDER BY a.attnum) FROM pg_attribute a
    WHERE a.attrelid = to_regclass('public.' || quote_ident(of_table)) AND a.attnum > 0 AND NOT a.attisdropped
      AND NOT of_table || '.' || a.attname = ANY (left_out)
$$;

-- Every row of a table in the order of its primary key, without the columns `left_out` ('table.column'). Texts sort by their bytes:
-- another server may have other collations. No column has the names of the aliases: one was called x.
CREATE FUNCTION catalogue_rows(of_table text, left_out text[]) RETURNS SETOF text LANGUAGE plpgsql STABLE
SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO, YMD' SET "IntervalStyle" TO 'iso_8601' SET extra_float_digits TO 1 SET bytea_output TO 'hex'
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

-- Enters rows as `catalogue_rows` gives them, an array of them; the next number of the table follows the largest. A decided trial
-- takes no locked protocol any more, so a trial comes as a need, and `enter_trial_states` ends the import.
CREATE FUNCTION enter_catalogue_rows(of_table text, content jsonb) RETURNS bigint LANGUAGE plpgsql
SET "TimeZone" TO 'UTC' SET "DateStyle" TO 'ISO, YMD' SET "IntervalStyle" TO 'iso_8601' SET extra_float_digits TO 1
AS $$
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
END $$;

CREATE FUNCTION enter_trial_states(content jsonb) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    entered bigint;
BEGIN
    UPDATE trial t SET state = e->>'state' FROM jsonb_array_elements(content) e WHERE (e->>'trial_id')::int = t.trial_id;
    GET DIAGNOSTICS entered = ROW_COUNT;
    RETURN entered;
END $$;

-- Takes away the account that the first start made, with its organisation, so that those of the file can come. Returns its password's
-- hash. The caller has made sure that nothing else is there.
CREATE FUNCTION forget_first_account() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    password text;
BEGIN
    DELETE FROM person WHERE login = 'lab' RETURNING password_hash INTO password;
    DELETE FROM organisation WHERE code = 'lab';
    RETURN password;
END $$;
