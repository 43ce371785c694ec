-- A person's own token may also act with that person's rights, if the person chooses so when making it. A machine's token
-- reads, and no more: an act needs a person who answers for it by name.

ALTER TABLE access_token
    DROP CONSTRAINT access_token_scopes_check,
    ADD CONSTRAINT access_token_scopes_check
        CHECK (scopes IN (ARRAY['read'], ARRAY['read', 'act']) AND (organisation_id IS NULL OR scopes = ARRAY['read']));
