-- A time zone that is stored and names no zone takes down no list: its days are UTC's, and `insitu check` names the trial.

CREATE FUNCTION known_zone(zone text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    PERFORM timestamptz 'epoch' AT TIME ZONE zone;
    RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
    RETURN 'UTC';
END $$;

CREATE OR REPLACE VIEW observation_daily AS
WITH zones AS MATERIALIZED (SELECT trial_id, known_zone(time_zone) AS time_zone FROM trial)
SELECT h.datastream_id, (h.hour AT TIME ZONE t.time_zone)::date AS day, h.flag, sum(h.n)::bigint AS n,
       sum(h.total) AS total, sum(h.energy) AS energy, min(h.smallest) AS smallest, max(h.largest) AS largest
FROM observation_hourly h
JOIN datastream s USING (datastream_id) JOIN device d USING (device_id) JOIN zones t USING (trial_id)
GROUP BY 1, 2, 3;
