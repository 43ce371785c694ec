-- name: snapshot
-- The snapshot of this statement, exported for another connection; null where this transaction has written, which only it can see.
SELECT CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN pg_export_snapshot() END;
