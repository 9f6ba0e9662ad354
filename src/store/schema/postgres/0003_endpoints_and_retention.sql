-- A receiver that fails, or asks for it, is left alone for a while.
ALTER TABLE webhook_endpoints ADD COLUMN held_until timestamptz;
COMMENT ON COLUMN webhook_endpoints.held_until IS 'NULL: deliveries may start.';

-- A disabled endpoint holds its deliveries by itself: whether its queue is paused is up to people.
UPDATE job_queues SET paused = false
WHERE name IN (SELECT 'webhook:' || endpoint_id FROM webhook_endpoints WHERE status = 'disabled');

-- Deliveries of several servers are due in the order of their events, though the servers' ideas of the time differ.
ALTER TABLE counters ADD COLUMN last_delivery_at timestamptz NOT NULL DEFAULT '-infinity';
COMMENT ON COLUMN counters.last_delivery_at IS 'When the newest transaction with deliveries lets them start.';

-- Those that are old enough to go, without a look at all of them.
CREATE INDEX jobs_dead_by_age ON jobs (finished_at) WHERE state = 'dead';
