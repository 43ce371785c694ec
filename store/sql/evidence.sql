-- name: pairs
-- Records and their lines in the audit log, side by side; null on one side: it is missing there.
-- A record that was moved here has its line in the installation that it came from: the line `import catalogue` tells of all of them.
WITH moved AS (
    SELECT coalesce((x.last->>'locked_at')::timestamptz, '-infinity') AS locked_at, coalesce((x.last->>'lock')::int, 0) AS lock,
           coalesce((x.last->>'unblinded_at')::timestamptz, '-infinity') AS unblinded_at,
           coalesce((x.last->>'ended_at')::timestamptz, '-infinity') AS ended_at,
           coalesce((x.last->>'evaluate')::int, 0) AS evaluate, coalesce((x.last->>'decide')::int, 0) AS decide,
           coalesce((x.last->>'agree')::int, 0) AS agree, coalesce((x.last->>'move')::int, 0) AS move,
           coalesce((x.last->>'window')::int, 0) AS "window", coalesce((x.last->>'erase')::int, 0) AS erase
    FROM (SELECT (SELECT content::jsonb FROM installation WHERE name = 'moved here') AS last) x
), record AS (
    SELECT 'lock' AS action, t.code AS subject, p.version::text AS key, jsonb_build_object('at', p.locked_at, 'by', p.locked_by,
           'sha256', p.sha256) AS facts
    FROM protocol p JOIN trial t USING (trial_id) CROSS JOIN moved m
    WHERE p.locked_at IS NOT NULL AND (NOT p.protocol_id BETWEEN 1 AND m.lock OR p.locked_at > m.locked_at)
    UNION ALL
    SELECT 'evaluate', t.code, e.evaluation_id::text, jsonb_build_object('at', e.evaluated_at, 'by', e.evaluated_by, 'sha256', e.sha256,
           'verdict', CASE WHEN e.blinded THEN 'blinded' ELSE e.verdict END, 'after_the_fact', e.after_the_fact)
    FROM evaluation e JOIN trial t USING (trial_id) CROSS JOIN moved m WHERE NOT e.evaluation_id BETWEEN 1 AND m.evaluate
    UNION ALL
    SELECT 'unblind', t.code, u.endpoint, jsonb_build_object('at', u.at, 'by', u.login, 'reason', u.reason)
    FROM unblinding u JOIN trial t USING (trial_id) CROSS JOIN moved m WHERE u.at > m.unblinded_at
    UNION ALL
    SELECT 'decide', t.code, d.evaluation_id::text, jsonb_build_object('at', d.decided_at, 'by', d.decided_by, 'outcome', d.outcome,
           'reason', d.reason, 'evaluation_sha256', d.evaluation_sha256, 'protocol_sha256', d.protocol_sha256)
    FROM decision d JOIN trial t USING (trial_id) CROSS JOIN moved m WHERE NOT d.decision_id BETWEEN 1 AND m.decide
    UNION ALL
    SELECT 'agree', t.code, a.agreement_id::text, jsonb_build_object('at', a.entered_at, 'by', a.entered_by, 'sha256', a.sha256)
    FROM agreement a JOIN trial t USING (trial_id) CROSS JOIN moved m WHERE NOT a.agreement_id BETWEEN 1 AND m.agree
    UNION ALL
    SELECT 'withdraw import', '', i.import_id::text, jsonb_build_object('at', i.withdrawn_at, 'by', i.withdrawn_by, 'reason', i.withdrawn_for)
    FROM import i WHERE i.withdrawn_at IS NOT NULL
    UNION ALL
    SELECT 'move', t.code, s.to_state || ' ' || to_char(s.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'),
           jsonb_build_object('at', s.at, 'by', s.by_login, 'from', s.from_state, 'note', s.note)
    FROM trial_step s JOIN trial t USING (trial_id) CROSS JOIN moved m
    WHERE NOT s.trial_step_id BETWEEN 1 AND m.move AND NOT s.trial_step_id BETWEEN 1 AND coalesce((SELECT (content::jsonb->>'move')::int FROM installation WHERE name = 'audited since'), 0)
    UNION ALL
    SELECT 'window', '', w.window_id::text, jsonb_build_object('at', w.declared_at, 'by', w.declared_by, 'reason', w.reason, 'kind', w.kind,
           'start', lower(w.period), 'end', upper(w.period))
    FROM declared_window w CROSS JOIN moved m
    WHERE NOT w.window_id BETWEEN 1 AND m.window AND NOT w.window_id BETWEEN 1 AND coalesce((SELECT (content::jsonb->>'window')::int FROM installation WHERE name = 'audited since'), 0)
    UNION ALL
    SELECT 'end window', '', w.window_id::text, jsonb_build_object('at', w.ended_at, 'by', w.ended_by)
    FROM declared_window w CROSS JOIN moved m WHERE w.ended_at > m.ended_at
    UNION ALL
    SELECT 'withdraw window', '', w.window_id::text, jsonb_build_object('at', w.withdrawn_at, 'by', w.withdrawn_by, 'reason', w.withdrawn_for)
    FROM declared_window w CROSS JOIN moved m WHERE w.withdrawn_at > m.ended_at
    UNION ALL
    SELECT 'erase', '', e.erasure_id::text, jsonb_build_object('at', e.at, 'by', e.by_login, 'reason', e.reason, 'trial', e.trial,
           'device', e.device, 'person', e.person_id, 'from', e.from_time, 'to', e.to_time, 'parts', to_jsonb(e.parts),
           'erased', coalesce((SELECT jsonb_object_agg(x.table_name, x.erased) FROM (SELECT r.table_name, sum(r.erased)::bigint AS erased
                               FROM erased_rows r WHERE r.erasure_id = e.erasure_id GROUP BY 1) x), '{}'),
           'results_by_device', coalesce((SELECT jsonb_object_agg(x.device, x.erased) FROM (SELECT r.device, sum(r.booked)::bigint AS erased
                               FROM erased_rows r WHERE r.erasure_id = e.erasure_id GROUP BY 1 HAVING sum(r.booked) > 0) x), '{}'))
    FROM erasure e CROSS JOIN moved m WHERE NOT e.erasure_id BETWEEN 1 AND m.erase
    UNION ALL
    SELECT 'import catalogue', 'catalogue', '', jsonb_build_object('numbers', i.content::jsonb) FROM installation i WHERE i.name = 'moved here'
), line AS (
    SELECT a.action, CASE WHEN a.action IN ('withdraw import', 'window', 'end window', 'withdraw window', 'erase') THEN '' ELSE a.subject END AS subject,
           CASE a.action WHEN 'lock' THEN a.detail->>'version' WHEN 'evaluate' THEN a.detail->>'evaluation'
                WHEN 'decide' THEN a.detail->>'evaluation' WHEN 'agree' THEN a.detail->>'agreement'
                WHEN 'unblind' THEN a.detail->>'endpoint' WHEN 'withdraw import' THEN a.detail->>'import'
                WHEN 'window' THEN a.detail->>'window' WHEN 'end window' THEN a.detail->>'window'
                WHEN 'withdraw window' THEN a.detail->>'window' WHEN 'erase' THEN a.detail->>'erasure' WHEN 'import catalogue' THEN ''
                ELSE (a.detail->>'to') || ' ' || to_char(a.at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') END AS key,
           jsonb_build_object('at', a.at, 'by', regexp_replace(a.login, '^person:', ''))
           || CASE a.action WHEN 'window' THEN a.detail || jsonb_build_object('start', (a.detail->>'start')::timestamptz,
                                                                               'end', (a.detail->>'end')::timestamptz)
                   ELSE a.detail END AS facts, a.audit_id
    FROM audit a WHERE a.action IN ('lock', 'evaluate', 'unblind', 'decide', 'agree', 'withdraw import', 'move', 'window', 'end window',
                                         'withdraw window', 'erase', 'import catalogue')
)
SELECT action, subject, key, r.facts AS record, l.facts AS line, l.audit_id
FROM record r FULL JOIN line l USING (action, subject, key) ORDER BY action, subject, key, l.audit_id;

-- name: wrong_documents
-- Documents that are not what their own columns say.
SELECT 'version ' || p.version || ' of the protocol of ' || t.code AS name, w.field
FROM protocol p JOIN trial t USING (trial_id) CROSS JOIN LATERAL (VALUES
    ('SHA-256', p.sha256 = encode(sha256(convert_to(p.document, 'UTF8')), 'hex')),
    ('version', p.version::text = coalesce(p.document::jsonb->>'version', '1')),
    ('trial', t.code = p.document::jsonb->>'trial')) AS w(field, agrees)
WHERE NOT coalesce(w.agrees, false)
UNION ALL
SELECT 'evaluation ' || e.evaluation_id || ' of ' || t.code, w.field
FROM evaluation e JOIN trial t USING (trial_id) JOIN protocol p USING (protocol_id) CROSS JOIN LATERAL (VALUES
    ('SHA-256', e.sha256 = encode(sha256(convert_to(e.document, 'UTF8')), 'hex')),
    ('verdict', e.verdict = e.document::jsonb->>'verdict'),
    ('time', e.evaluated_at = (e.document::jsonb->>'evaluated_at')::timestamptz),
    ('trial', t.code = e.document::jsonb->>'trial'),
    ('protocol', p.sha256 = e.document::jsonb->>'protocol_sha256')) AS w(field, agrees)
WHERE NOT coalesce(w.agrees, false)
UNION ALL
SELECT 'agreement ' || a.agreement_id || ' of ' || t.code, 'SHA-256'
FROM agreement a JOIN trial t USING (trial_id) WHERE a.sha256 <> encode(sha256(convert_to(a.document, 'UTF8')), 'hex')
UNION ALL
SELECT 'trial ' || t.code, 'state'
FROM trial t CROSS JOIN LATERAL (SELECT s.to_state FROM trial_step s WHERE s.trial_id = t.trial_id ORDER BY s.trial_step_id DESC LIMIT 1) x
WHERE x.to_state <> t.state
ORDER BY 1, 2;

-- name: guards
-- Triggers with their state, constraints, policies, rules, defaults and the bodies of functions in our schema; and rights that the pages
-- must not have. A policy that lets the service see all rows is there only where that role is.
SELECT 'trigger' AS kind, c.relname || '.' || g.tgname AS name, pg_get_triggerdef(g.oid) AS definition,
       CASE WHEN g.tgenabled IN ('O', 'A') THEN '' ELSE 'is disabled' END AS problem
FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND NOT g.tgisinternal AND g.tgname NOT LIKE 'ts\_%%'
UNION ALL
SELECT 'constraint', c.relname || '.' || k.conname, pg_get_constraintdef(k.oid), ''
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND k.contype IN ('c', 'p', 'u', 'f', 'x')
UNION ALL
SELECT 'function', p.proname || '(' || pg_get_function_identity_arguments(p.oid) || ')', p.prosrc, ''
FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname = current_schema() AND p.prokind = 'f'
  AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
UNION ALL
SELECT 'foreign key', c.relname || '.' || k.conname, '', 'is disabled'
FROM pg_trigger g JOIN pg_constraint k ON k.oid = g.tgconstraint JOIN pg_class c ON c.oid = k.conrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND g.tgisinternal AND g.tgenabled NOT IN ('O', 'A')
UNION ALL
SELECT 'policy', c.relname || '.' || p.polname,
       concat_ws(' ', CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END, p.polcmd,
                 (SELECT string_agg(coalesce(r.rolname, 'public'), ',' ORDER BY r.rolname)
                  FROM unnest(p.polroles) u(role) LEFT JOIN pg_roles r ON r.oid = u.role),
                 'using', pg_get_expr(p.polqual, p.polrelid), 'check', pg_get_expr(p.polwithcheck, p.polrelid)), ''
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema()
  AND NOT (p.polname = 'service' AND p.polroles = ARRAY(SELECT r.oid FROM pg_roles r WHERE r.rolname = 'insitu_service'))
UNION ALL
SELECT 'row-level security of', c.relname, '', ''
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND c.relrowsecurity
UNION ALL
SELECT 'rule', c.relname || '.' || w.rulename, pg_get_ruledef(w.oid), ''
FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'default', c.relname || '.' || a.attname, pg_get_expr(f.adbin, f.adrelid), ''
FROM pg_attrdef f JOIN pg_attribute a ON a.attrelid = f.adrelid AND a.attnum = f.adnum
JOIN pg_class c ON c.oid = f.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
UNION ALL
SELECT 'table', c.relname, '', 'can be changed by the role of the pages'
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.rolname = 'insitu_pages'
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
  AND (has_any_column_privilege(r.oid, c.oid, 'INSERT, UPDATE') OR has_table_privilege(r.oid, c.oid, 'DELETE, TRUNCATE'))
UNION ALL
SELECT 'column', c.relname || '.' || a.attname, '', 'can be read by the role of the pages'
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles r ON r.rolname = 'insitu_pages'
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
  AND (c.relname IN ('recovery_code', 'used_return')
       OR (c.relname, a.attname) IN (('person', 'password_hash'), ('credential', 'nats_hash'), ('credential', 'mosquitto_hash'),
                                     ('second_factor', 'secret'), ('signed_in', 'id_token')))
  AND has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')
ORDER BY 1, 2;

-- name: owners
-- The tables of each owner.
SELECT pg_get_userbyid(c.relowner) AS owner, array_agg(c.relname::text ORDER BY c.relname) AS tables
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p')
GROUP BY 1 ORDER BY count(*) DESC, 1;
