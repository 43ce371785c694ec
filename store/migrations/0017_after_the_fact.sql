-- A protocol that was locked or changed when results could be known says so beside the verdict; nothing is locked after the
-- decision.

-- True: the verdict is qualified.
ALTER TABLE evaluation ADD after_the_fact boolean NOT NULL DEFAULT false;
-- The sentences beside the verdict, as [{"en": …, "fr": …}, …].
ALTER TABLE evaluation ADD afterwards jsonb NOT NULL DEFAULT '[]';

CREATE FUNCTION refuse_lock_after_decision() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE now_in text;
BEGIN
    -- The share lock waits for a decision that is being made at this moment, and then sees it.
    SELECT state INTO now_in FROM trial WHERE trial_id = NEW.trial_id FOR SHARE;
    IF now_in IN ('buy', 'iterate', 'stop') THEN
        RAISE EXCEPTION 'the trial is decided: no protocol can be locked' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER nothing_locked_after_decision BEFORE INSERT OR UPDATE ON protocol
    FOR EACH ROW WHEN (NEW.locked_at IS NOT NULL) EXECUTE FUNCTION refuse_lock_after_decision();
