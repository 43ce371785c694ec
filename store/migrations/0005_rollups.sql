-- Observations by hour and flag: a continuous aggregate with TimescaleDB, otherwise a view with the same columns. Days are made
-- from hours in the trial's time zone, never from UTC days. `energy` is Σ 10^(L/10) for levels in dB; outside −200…300 it has no
-- meaning and would overflow.
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        EXECUTE $view$
            CREATE MATERIALIZED VIEW observation_hourly
            WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
            SELECT datastream_id, time_bucket(INTERVAL '1 hour', phenomenon_time) AS hour, flag, count(*) AS n,
                   sum(result) AS total,
                   sum(CASE WHEN result BETWEEN -200 AND 300 THEN power(10::double precision, result / 10) END) AS energy,
                   min(result) AS smallest, max(result) AS largest
            FROM observation GROUP BY 1, 2, 3 WITH NO DATA
        $view$;
    ELSE
        CREATE VIEW observation_hourly AS
        SELECT datastream_id, date_trunc('hour', phenomenon_time, 'UTC') AS hour, flag, count(*) AS n,
               sum(result) AS total,
               sum(CASE WHEN result BETWEEN -200 AND 300 THEN power(10::double precision, result / 10) END) AS energy,
               min(result) AS smallest, max(result) AS largest
        FROM observation GROUP BY 1, 2, 3;
    END IF;
END $$;

-- Local days, in the time zone of the datastream's trial.
CREATE VIEW observation_daily AS
SELECT h.datastream_id, (h.hour AT TIME ZONE t.time_zone)::date AS day, h.flag, sum(h.n)::bigint AS n,
       sum(h.total) AS total, sum(h.energy) AS energy, min(h.smallest) AS smallest, max(h.largest) AS largest
FROM observation_hourly h
JOIN datastream s USING (datastream_id) JOIN device d USING (device_id) JOIN trial t USING (trial_id)
GROUP BY 1, 2, 3;
