-- name: trial_facts
-- For each trial: devices, latest locked protocol, latest evaluation.
SELECT t.trial_id, t.code AS trial, (SELECT count(*)::int FROM device d WHERE d.trial_id = t.trial_id) AS devices,
       p.version, p.sha256, p.locked_at, e.evaluation_id, e.verdict, e.evaluated_at, e.interim, e.blinded, e.after_the_fact, e.afterwards,
       ARRAY(SELECT i.import_id FROM import i WHERE i.withdrawn_at > e.evaluated_at AND i.imported_at <= e.evaluated_at
             AND EXISTS (SELECT FROM import_part k JOIN datastream m USING (datastream_id) JOIN device d USING (device_id)
                         WHERE k.import_id = i.import_id AND d.trial_id = t.trial_id) ORDER BY 1) AS withdrawn_imports,
       ARRAY(SELECT x.erasure_id FROM erasure x WHERE x.trial = t.code AND x.at >= e.evaluated_at
             AND EXISTS (SELECT FROM erased_rows r WHERE r.erasure_id = x.erasure_id AND r.table_name = 'observation') ORDER BY 1) AS erasures,
       EXISTS (SELECT FROM protocol x WHERE x.trial_id = t.trial_id AND x.locked_at IS NULL) AS draft
FROM trial t
LEFT JOIN LATERAL (SELECT x.version, x.sha256, x.locked_at FROM protocol x
                   WHERE x.trial_id = t.trial_id AND x.locked_at IS NOT NULL ORDER BY x.version DESC LIMIT 1) p ON true
LEFT JOIN LATERAL (SELECT x.evaluation_id, CASE WHEN NOT x.blinded THEN x.verdict END AS verdict, x.evaluated_at, x.interim, x.blinded,
                          x.after_the_fact, x.afterwards FROM evaluation x
                   WHERE x.trial_id = t.trial_id ORDER BY x.evaluation_id DESC LIMIT 1) e ON true
WHERE t.code = ANY(%(trials)s::text[]) ORDER BY t.code;

-- name: evaluation_heads
-- Evaluations of one trial or of all, without their documents, newest first, below an id.
SELECT e.evaluation_id, t.code AS trial, e.evaluated_at, e.evaluated_by, CASE WHEN NOT e.blinded THEN e.verdict END AS verdict, e.interim,
       e.blinded, e.after_the_fact, e.afterwards, e.inputs_sha256, e.sha256, p.version,
       ARRAY(SELECT i.import_id FROM import i WHERE i.withdrawn_at > e.evaluated_at AND i.imported_at <= e.evaluated_at
             AND EXISTS (SELECT FROM import_part k JOIN datastream m USING (datastream_id) JOIN device d USING (device_id)
                         WHERE k.import_id = i.import_id AND d.trial_id = t.trial_id) ORDER BY 1) AS withdrawn_imports,
       ARRAY(SELECT x.erasure_id FROM erasure x WHERE x.trial = t.code AND x.at >= e.evaluated_at
             AND EXISTS (SELECT FROM erased_rows r WHERE r.erasure_id = x.erasure_id AND r.table_name = 'observation') ORDER BY 1) AS erasures
FROM evaluation e JOIN trial t USING (trial_id) JOIN protocol p USING (protocol_id)
WHERE (%(trial)s::text IS NULL OR t.code = %(trial)s::text) AND (%(below)s::int IS NULL OR e.evaluation_id < %(below)s::int)
ORDER BY e.evaluation_id DESC LIMIT %(most)s::int;
