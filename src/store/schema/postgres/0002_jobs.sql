-- Background jobs, webhook endpoints and their deliveries.

-- What the first version called jobs were payment timeouts alone. They stay what they are: a draft has exactly one, due
-- at its expires_at (I4), taken and deleted in the transaction that expires the order; they have a table to themselves.
DROP VIEW live_holds;
DROP VIEW overdue_holds;
ALTER TABLE jobs RENAME TO jobs_of_first_version;
ALTER INDEX jobs_pkey RENAME TO jobs_of_first_version_pkey;

CREATE TABLE payment_timeouts (
    run_at timestamptz NOT NULL,
    order_id uuid NOT NULL,
    PRIMARY KEY (run_at, order_id)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);
INSERT INTO payment_timeouts (run_at, order_id)
SELECT run_at, order_id FROM jobs_of_first_version WHERE kind = 'payment_timeout' ORDER BY run_at, order_id;
DROP TABLE jobs_of_first_version;
COMMENT ON TABLE payment_timeouts IS 'When holds end: a draft has exactly one, due at its expires_at.';
COMMENT ON COLUMN payment_timeouts.run_at IS 'Paying or cancelling the order deletes it, extending the hold moves it.';

CREATE TABLE payment_notices (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    expires_at timestamptz NOT NULL,
    order_id uuid NOT NULL
);
INSERT INTO payment_notices (expires_at, order_id) VALUES ('epoch', '00000000-0000-0000-0000-000000000000');
COMMENT ON TABLE payment_notices IS 'One row: up to which place in the order of timeouts order.payment_due_soon was given.';

-- `claim` is the fencing token: one more with each claim, so that whoever lost its lease cannot finish what another
-- holds now.
CREATE TABLE jobs (
    job_id uuid PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    kind text COLLATE "C" NOT NULL,
    key text COLLATE "C",
    payload json,
    event_sequence bigint,
    state text NOT NULL
        CHECK (state = 'scheduled' OR state = 'running' OR state = 'completed' OR state = 'dead' OR state = 'cancelled'),
    run_at timestamptz NOT NULL,
    priority smallint NOT NULL CHECK (0 <= priority AND priority <= 9),
    attempt integer NOT NULL CHECK (attempt >= 0),
    max_attempts integer NOT NULL CHECK (max_attempts >= 1),
    claim bigint NOT NULL CHECK (claim >= 0),
    lease_until timestamptz,
    progress smallint,
    last_error text,
    log text,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    finished_at timestamptz,
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state = 'scheduled' OR state = 'running') = (finished_at IS NULL))
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05,
        autovacuum_vacuum_insert_threshold = 100000);
CREATE INDEX jobs_scheduled ON jobs (queue, priority, run_at, job_id) WHERE state = 'scheduled';
CREATE INDEX jobs_running ON jobs (lease_until, queue) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state = 'completed' OR state = 'cancelled';
CREATE INDEX jobs_dead ON jobs (job_id) WHERE state = 'dead';
CREATE UNIQUE INDEX jobs_scheduled_key ON jobs (kind, key) WHERE state = 'scheduled' AND key IS NOT NULL;
CREATE INDEX jobs_by_key ON jobs (key, job_id) WHERE key IS NOT NULL;
COMMENT ON TABLE jobs IS 'Work that is done outside of transactions, at least once.';
COMMENT ON COLUMN jobs.job_id IS 'As in the API.';
COMMENT ON COLUMN jobs.queue IS 'Where it waits; see job_queues.';
COMMENT ON COLUMN jobs.kind IS 'What is to be done.';
COMMENT ON COLUMN jobs.key IS 'Of one kind at most one is scheduled under it.';
COMMENT ON COLUMN jobs.event_sequence IS 'Of a webhook delivery: which event.';
COMMENT ON COLUMN jobs.run_at IS 'Not before.';
COMMENT ON COLUMN jobs.priority IS '0 runs first, 9 last.';
COMMENT ON COLUMN jobs.attempt IS 'Which one runs, or ran last.';
COMMENT ON COLUMN jobs.claim IS 'The fencing token: one more with each claim.';
COMMENT ON COLUMN jobs.lease_until IS 'Until when whoever runs it has it; then another may take it over.';
COMMENT ON COLUMN jobs.progress IS 'Percent.';
COMMENT ON COLUMN jobs.log IS 'A JSON object a line, the oldest first.';

CREATE TABLE job_queues (
    name text COLLATE "C" PRIMARY KEY,
    paused boolean NOT NULL,
    concurrency integer CHECK (concurrency >= 1),
    rate_max integer CHECK (rate_max >= 1),
    rate_period_ms integer CHECK (rate_period_ms >= 1),
    rate_begin timestamptz NOT NULL,
    rate_count integer NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    CHECK ((rate_max IS NULL) = (rate_period_ms IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE job_queues IS 'Queues of which something was set: one without a row has no limits.';
COMMENT ON COLUMN job_queues.concurrency IS 'Jobs at once, over all processes; NULL: no limit.';
COMMENT ON COLUMN job_queues.rate_max IS 'Starts in each period; NULL: no limit.';
COMMENT ON COLUMN job_queues.rate_begin IS 'When the present period began.';
COMMENT ON COLUMN job_queues.rate_count IS 'Starts in the present period.';

INSERT INTO job_queues (name, paused, rate_begin, rate_count, version) VALUES ('maintenance', false, 'epoch', 0, 1);

CREATE TABLE job_schedules (
    name text COLLATE "C" PRIMARY KEY,
    queue text NOT NULL,
    kind text NOT NULL,
    cron text NOT NULL,
    time_zone text NOT NULL,
    next_run_at timestamptz,
    version bigint NOT NULL CHECK (version >= 1)
);
COMMENT ON TABLE job_schedules IS 'Periodic jobs: whoever first moves next_run_at on queues the job.';
COMMENT ON COLUMN job_schedules.next_run_at IS 'NULL: never again.';

CREATE TABLE webhook_endpoints (
    endpoint_id uuid PRIMARY KEY,
    url text NOT NULL,
    description text,
    types text,
    status text NOT NULL CHECK (status = 'enabled' OR status = 'disabled'),
    disabled_reason text,
    secret text NOT NULL,
    previous_secret text,
    previous_until timestamptz,
    failing_since timestamptz,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
) WITH (fillfactor = 50);
COMMENT ON TABLE webhook_endpoints IS 'Where events are delivered to.';
COMMENT ON COLUMN webhook_endpoints.types IS 'Of the events it wants, names with commas between; NULL: all.';
COMMENT ON COLUMN webhook_endpoints.secret IS 'Kept as it is, since deliveries are signed with it: whoever reads it can sign, too.';
COMMENT ON COLUMN webhook_endpoints.previous_until IS 'Until when the previous secret signs, too.';
COMMENT ON COLUMN webhook_endpoints.failing_since IS 'NULL: the last delivery was taken.';

-- For people. Nothing in the program reads these.

CREATE VIEW live_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at,
       o.expires_at - clock_timestamp() AS time_left
FROM orders o JOIN payment_timeouts t ON t.run_at = o.expires_at AND t.order_id = o.order_id
     JOIN order_items i ON i.order_id = o.order_id JOIN product_variants v USING (variant_id)
WHERE o.status = 'draft' AND t.run_at > clock_timestamp();
COMMENT ON VIEW live_holds IS 'Stock that is held while a customer pays.';

CREATE VIEW overdue_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at,
       clock_timestamp() - o.expires_at AS late_by
FROM orders o JOIN payment_timeouts t ON t.run_at = o.expires_at AND t.order_id = o.order_id
     JOIN order_items i ON i.order_id = o.order_id JOIN product_variants v USING (variant_id)
WHERE o.status = 'draft' AND t.run_at <= clock_timestamp();
COMMENT ON VIEW overdue_holds IS 'Holds past their deadline that no server has released yet: more than moments old, none is running.';
