-- A receiver that fails, or asks for it, is left alone for a while.
ALTER TABLE webhook_endpoints ADD COLUMN held_until INTEGER; -- NULL: deliveries may start

-- A disabled endpoint holds its deliveries by itself: whether its queue is paused is up to people.
UPDATE job_queues SET paused = 0 WHERE name IN
    (SELECT 'webhook:' || lower(substr(hex(endpoint_id), 1, 8) || '-' || substr(hex(endpoint_id), 9, 4) || '-'
            || substr(hex(endpoint_id), 13, 4) || '-' || substr(hex(endpoint_id), 17, 4) || '-'
            || substr(hex(endpoint_id), 21)) FROM webhook_endpoints WHERE status = 'disabled');

-- Those that are old enough to go, without a look at all of them.
CREATE INDEX jobs_dead_by_age ON jobs (finished_at) WHERE state = 'dead';
