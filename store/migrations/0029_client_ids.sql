-- A client with the right password that the broker does not let in, because of its client id.
ALTER TABLE broker_event DROP CONSTRAINT broker_event_kind_check;
ALTER TABLE broker_event ADD CONSTRAINT broker_event_kind_check CHECK (kind IN ('publish_denied', 'taken_over', 'id_refused'));
