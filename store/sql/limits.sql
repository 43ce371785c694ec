-- name: has_net
-- True if this account may act as the role of the pages.
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'insitu_pages' AND pg_has_role(current_user, oid, 'SET'));

-- name: limit_to
-- Until the end of the transaction, see only rows of the trials of a viewer; with the reach `none` no trial's.
SELECT set_config('insitu.trials', x.trials, true), set_config('insitu.codes', x.codes, true),
       set_config('role', 'insitu_pages', true)
FROM (SELECT CASE WHEN %(reach)s::text = 'any' THEN '*' ELSE coalesce(array_agg(t.trial_id)::text, '{}') END AS trials,
             coalesce(array_agg(t.code)::text, '{}') AS codes
      FROM trial t
      WHERE (%(reach)s::text IN ('own', 'sites')
             AND CASE %(party)s::text WHEN 'host' THEN t.host_id WHEN 'company' THEN t.company_id
                      WHEN 'evaluator' THEN t.evaluator_id END = %(organisation_id)s::int)
         OR (%(reach)s::text = 'sites'
             AND EXISTS (SELECT FROM deployment p JOIN site s USING (site_id) JOIN device d USING (device_id)
                         WHERE d.trial_id = t.trial_id AND s.host_id = %(organisation_id)s::int))) x;
