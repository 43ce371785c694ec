-- TimescaleDB with its columnstore switched on: readers that miss nothing while chunks are packed. And two views go that nothing
-- read: the hours and days of `observation`. The continuous aggregate behind them was never filled, missed late rows and changed
-- flags once it was, and made every write log what it had to refresh.
DROP VIEW observation_daily;
DO $$ BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        DROP MATERIALIZED VIEW observation_hourly;
    ELSE
        DROP VIEW observation_hourly;
    END IF;
END $$;

-- Nobody packs chunks until the transaction ends. A packed chunk is emptied and its new state is seen at once, also by a reader whose
-- snapshot is older: it would miss rows. With the owner's rights, since a reader may only read. Without TimescaleDB nothing is packed.
CREATE FUNCTION hold_chunks() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        LOCK TABLE observation IN ROW SHARE MODE;
    END IF;
END $$;
