-- The running parts get an account that owns nothing: `insitu_service` reads every table and changes only what the statements of
-- Insitu change. It can neither switch off a trigger nor remove a constraint, and the tables whose rows stay as they are written
-- (audit, evaluation, decision, …) it can only add to. The owner is for `insitu migrate`, `pg_dump` and `pg_restore`.
DO $$ BEGIN
    CREATE ROLE insitu_service NOLOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation OR insufficient_privilege THEN NULL; -- it is there, or an administrator makes it
END $$;

-- Gives the service exactly `rights`, beside reading everything: {"table": {"INSERT": "all", "UPDATE": "lock", …}}. A right to
-- `lock` is given on the primary key alone. Called by `migrate`.
CREATE FUNCTION grant_service(rights jsonb) RETURNS void LANGUAGE plpgsql AS $$
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
