
-- name: powers
-- Rights of this account beyond reading and beyond `rights`: tables that it owns, and single rights to change others.
SELECT coalesce(array_agg(c.relname::text ORDER BY c.relname) FILTER (WHERE pg_has_role(c.relowner, 'USAGE')), '{}') AS owned,
       coalesce(array_agg(r.name || ' ' || c.relname ORDER BY c.relname, r.name)
                FILTER (WHERE r.name IS NOT NULL AND NOT pg_has_role(c.relowner, 'USAGE')), '{}') AS more
FROM pg_class c
LEFT JOIN LATERAL (
    SELECT u.name FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER', 'REFERENCES']) u(name)
    WHERE has_table_privilege(c.oid, u.name)
      AND coalesce(%(rights)s::jsonb -> c.relname::text ->> u.name, 'none') <> 'all') r ON true
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p');
