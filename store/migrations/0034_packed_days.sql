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
SELECT grant_pages();
