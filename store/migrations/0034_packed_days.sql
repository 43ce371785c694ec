-- Results that have become old leave `observation` for packed days: many in one row, as compressed columns, a tenth of the bytes.
-- `observation` stays the place where results come in and are changed. A result is in exactly one of the two. A day is packed, and
-- unpacked to be changed, in one transaction, so a statement that reads both sees each result once.
CREATE TABLE packed_day (
    datastream_id  int NOT NULL REFERENCES datastream,
    start_time     timestamptz NOT NULL, -- a day of the trial, or a month of a datastream with few results; spans never overlap
    end_time       timestamptz NOT NULL, -- excluded
    n              int NOT NULL CHECK (n > 0),
    suspect        int NOT NULL, -- of the n results, those with flag 3
    failed         int NOT NULL, -- with flag 4
    unnumbered     int NOT NULL, -- from a file before imports had numbers
    first_received timestamptz NOT NULL,
    last_received  timestamptz NOT NULL,
    smallest       double precision NOT NULL,
    largest        double precision NOT NULL,
    total          double precision NOT NULL, -- sum of the results
    columns        bytea NOT NULL, -- store/packed/codec.py says which bytes these are
    PRIMARY KEY (datastream_id, start_time) INCLUDE (end_time, n, failed), -- serves days_within, daily_counts
    CHECK (end_time > start_time AND end_time - start_time < interval '33 days') -- searches look no further back
);
ALTER TABLE packed_day ALTER columns SET STORAGE EXTERNAL; -- it is compressed already

-- Every result that was packed is earlier. A writer of earlier results looks for them among the packed ones.
ALTER TABLE datastream_latest ADD packed_to timestamptz;

-- As before, and in packed days too: whole ones here; `store.erasures` unpacks those that lie only partly in the span.
CREATE OR REPLACE FUNCTION erase_results(number int, streams int[], since timestamptz, until timestamptz) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
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

-- Packed results and seals (docs/decisions/0023, 0024). A digest is that of the results, wherever they lie: the server works out those
-- of observations, and Python those of packed days, which the server cannot open.

-- Each change has a note of its own, and of several about one row the first counts. A transaction that has not ended yet keeps its
-- notes: a seal does not see them, so it takes none of them away. Changes of one row wait for each other, so `note_id` has their order.
ALTER TABLE row_change DROP CONSTRAINT row_change_pkey, ADD note_id bigint GENERATED ALWAYS AS IDENTITY,
    ADD PRIMARY KEY (kind, part, at, key, note_id);

CREATE VIEW first_note AS
    SELECT DISTINCT ON (kind, part, at, key) kind, part, at, key, was FROM row_change ORDER BY kind, part, at, key, note_id;

-- As before, with a note for each change.
CREATE OR REPLACE FUNCTION note_rows() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET intervalstyle = 'postgres' SET extra_float_digits = 1 SET bytea_output = 'hex' AS $$
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
END $$;

-- Results that are deleted are noted row by row: TimescaleDB's columnstore takes no trigger that sees all rows of a DELETE. A move into a
-- packed day changes no result: the packer sets `insitu.packs` in its transaction. If somebody else sets it, what he deletes has no
-- note, and the day no longer has its digest.
CREATE FUNCTION note_deleted_result() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    INSERT INTO row_change (kind, part, at, key, was)
    SELECT s.kind, s.part, OLD.phenomenon_time, '', result_digest(OLD.datastream_id, OLD.phenomenon_time, OLD.result, OLD.received_at,
                                                                  OLD.clock_quality, OLD.flag, OLD.import_id)
    FROM sealed_part s WHERE s.kind = 'observation' AND s.part = OLD.datastream_id AND OLD.phenomenon_time < s.noted_until;
    RETURN NULL;
END $$;
DROP TRIGGER IF EXISTS noted_delete ON observation;
CREATE TRIGGER noted_delete AFTER DELETE ON observation FOR EACH ROW
    WHEN (current_setting('insitu.packs', true) IS DISTINCT FROM 'on') EXECUTE FUNCTION note_deleted_result();

-- As before, with the first note about each row.
CREATE OR REPLACE FUNCTION content_of(of_kind text, of_part int, since timestamptz, until timestamptz, as_sealed boolean)
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
            SELECT c.at, c.key, c.was FROM first_note c
            WHERE c.kind = of_kind AND c.part = of_part AND c.at >= since AND c.at < until AND c.was IS NOT NULL) x;
    END IF;
END $$;

-- Whether some rows of a part in a span are packed.
CREATE FUNCTION is_packed(of_kind text, of_part int, since timestamptz, until timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT of_kind = 'observation' AND EXISTS (SELECT FROM packed_day p WHERE p.datastream_id = of_part
        AND p.start_time > since - interval '33 days' AND p.start_time < until AND p.end_time > since)
$$;

-- The digest of a span of results is made of these: results that are not packed, with their times in µs since 1970; what notes say was
-- there (null: nothing); the packed days of the span.
CREATE FUNCTION results_of(of_stream int, since timestamptz, until timestamptz)
    RETURNS TABLE (times bigint[], digests bytea[], noted bigint[], was bytea[], packed bytea[]) LANGUAGE sql STABLE AS $$
    SELECT h.times, h.digests, n.noted, n.was, p.packed
    FROM (SELECT array_agg((extract(epoch FROM o.phenomenon_time) * 1000000)::bigint) AS times,
                 array_agg(result_digest(o.datastream_id, o.phenomenon_time, o.result, o.received_at, o.clock_quality, o.flag, o.import_id)) AS digests
          FROM observation o WHERE o.datastream_id = of_stream AND o.phenomenon_time >= since AND o.phenomenon_time < until) h,
         (SELECT array_agg((extract(epoch FROM c.at) * 1000000)::bigint) AS noted, array_agg(c.was) AS was
          FROM first_note c WHERE c.kind = 'observation' AND c.part = of_stream AND c.at >= since AND c.at < until) n,
         (SELECT array_agg(d.columns ORDER BY d.start_time) AS packed FROM packed_day d WHERE d.datastream_id = of_stream
          AND d.start_time > since - interval '33 days' AND d.start_time < until AND d.end_time > since) p
$$;

-- As before, with the results (times, digests) that no row explains; a packed one may, under another flag.
CREATE OR REPLACE VIEW noted_day AS
    SELECT c.kind, c.part,
           coalesce(l.from_time, greatest(date_trunc('day', c.at, p.time_zone), (SELECT max(b.to_time) FROM sealed_day b
               WHERE b.kind = c.kind AND b.part = c.part AND b.to_time <= c.at))) AS from_time,
           coalesce(l.to_time, least(date_add(date_trunc('day', c.at, p.time_zone), '1 day', p.time_zone), p.sealed_until, (
               SELECT min(b.from_time) FROM sealed_day b WHERE b.kind = c.kind AND b.part = c.part AND b.from_time > c.at))) AS to_time,
           coalesce(l.sha256, encode(sha256(''), 'hex')) AS sha256,
           bool_and(e.explained) AS explained,
           array_agg((extract(epoch FROM c.at) * 1000000)::bigint) FILTER (WHERE NOT e.explained) AS doubtful,
           array_agg(c.was) FILTER (WHERE NOT e.explained) AS doubtful_was
    FROM first_note c JOIN sealed_part p ON p.kind = c.kind AND p.part = c.part AND c.at < p.sealed_until
    CROSS JOIN LATERAL (SELECT c.kind <> 'observation' OR c.was IS NULL OR is_explained(c.part, c.at, c.was) AS explained OFFSET 0) e
    LEFT JOIN LATERAL (SELECT d.from_time, d.to_time, d.sha256 FROM sealed_day d
                       WHERE d.kind = c.kind AND d.part = c.part AND d.from_time <= c.at AND d.to_time > c.at
                       ORDER BY d.from_time DESC, d.seal_id DESC LIMIT 1) l ON true
    GROUP BY 1, 2, 3, 4, 5;

SELECT grant_pages();
