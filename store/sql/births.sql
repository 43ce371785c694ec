-- name: load_births
-- Births of some edge nodes and their devices; locked, in order, until the batch is committed.
SELECT address, alive, bd_seq, seq, stamp_us, born_at, aliases, since_us, previous FROM sparkplug_birth
WHERE array_to_string((string_to_array(address, '/'))[1:3], '/') = ANY(%(edges)s::text[]) ORDER BY address FOR UPDATE;

-- name: save_births
-- Store them after the batch.
INSERT INTO sparkplug_birth AS b (address, alive, bd_seq, seq, stamp_us, born_at, aliases, since_us, previous)
SELECT * FROM unnest(%(addresses)s::text[], %(alive)s::boolean[], %(bd_seqs)s::bigint[], %(seqs)s::smallint[], %(stamps)s::bigint[],
                     %(born)s::timestamptz[], %(aliases)s::jsonb[], %(since)s::bigint[], %(previous)s::jsonb[]) ORDER BY 1
ON CONFLICT (address) DO UPDATE SET alive = excluded.alive, bd_seq = excluded.bd_seq, seq = excluded.seq, stamp_us = excluded.stamp_us,
    born_at = excluded.born_at, aliases = excluded.aliases, since_us = excluded.since_us, previous = excluded.previous;
