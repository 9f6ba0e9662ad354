-- Background jobs, webhook endpoints and their deliveries.

-- What the first version called jobs were payment timeouts alone. They stay what they are: a draft has exactly one, due
-- at its expires_at (I4), taken and deleted in the transaction that expires the order; they have a table to themselves.
DROP VIEW live_holds;
DROP VIEW overdue_holds;

CREATE TABLE payment_timeouts (
    run_at INTEGER NOT NULL,
    order_no INTEGER NOT NULL REFERENCES orders,
    PRIMARY KEY (run_at, order_no)
) STRICT, WITHOUT ROWID;

INSERT INTO payment_timeouts (run_at, order_no)
SELECT run_at, order_no FROM jobs WHERE kind = 'payment_timeout' ORDER BY run_at, order_no;
DROP TABLE jobs;

-- One row: up to which place in the order of timeouts order.payment_due_soon was given.
CREATE TABLE payment_notices (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    expires_at INTEGER NOT NULL,
    order_id BLOB NOT NULL CHECK (length(order_id) = 16)
) STRICT;

INSERT INTO payment_notices (only_row, expires_at, order_id) VALUES (1, 0, zeroblob(16));

-- Work that is done outside of transactions, at least once. `claim` is the fencing token: one more with each claim, so
-- that whoever lost its lease cannot finish what another holds now.
CREATE TABLE jobs (
    job_no INTEGER PRIMARY KEY,
    job_id BLOB NOT NULL UNIQUE CHECK (length(job_id) = 16),
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    key TEXT, -- of one kind at most one is scheduled under it
    payload TEXT,
    event_sequence INTEGER, -- of a webhook delivery
    state TEXT NOT NULL
        CHECK (state = 'scheduled' OR state = 'running' OR state = 'completed' OR state = 'dead' OR state = 'cancelled'),
    run_at INTEGER NOT NULL,
    priority INTEGER NOT NULL CHECK (0 <= priority AND priority <= 9), -- 0 runs first
    attempt INTEGER NOT NULL CHECK (attempt >= 0),
    max_attempts INTEGER NOT NULL CHECK (max_attempts >= 1),
    claim INTEGER NOT NULL CHECK (claim >= 0),
    lease_until INTEGER,
    progress INTEGER, -- percent
    last_error TEXT,
    log TEXT, -- a JSON object a line
    created_at INTEGER NOT NULL,
    started_at INTEGER, -- of the last attempt
    finished_at INTEGER,
    CHECK ((state = 'running') = (lease_until IS NOT NULL)),
    CHECK ((state = 'scheduled' OR state = 'running') = (finished_at IS NULL))
) STRICT;

CREATE INDEX jobs_scheduled ON jobs (queue, priority, run_at, job_no) WHERE state = 'scheduled';
CREATE INDEX jobs_running ON jobs (lease_until, queue) WHERE state = 'running';
CREATE INDEX jobs_finished ON jobs (finished_at) WHERE state = 'completed' OR state = 'cancelled';
CREATE INDEX jobs_dead ON jobs (job_id) WHERE state = 'dead';
CREATE UNIQUE INDEX jobs_scheduled_key ON jobs (kind, key) WHERE state = 'scheduled' AND key IS NOT NULL;
CREATE INDEX jobs_by_key ON jobs (key, job_id) WHERE key IS NOT NULL;

-- Queues of which something was set: a queue without a row has no limits.
CREATE TABLE job_queues (
    name TEXT NOT NULL PRIMARY KEY,
    paused INTEGER NOT NULL CHECK (paused = 0 OR paused = 1),
    concurrency INTEGER CHECK (concurrency >= 1), -- jobs at once; NULL: no limit
    rate_max INTEGER CHECK (rate_max >= 1), -- starts in a period; NULL: no limit
    rate_period_ms INTEGER CHECK (rate_period_ms >= 1),
    rate_begin INTEGER NOT NULL, -- of the present period
    rate_count INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    CHECK ((rate_max IS NULL) = (rate_period_ms IS NULL))
) STRICT, WITHOUT ROWID;

INSERT INTO job_queues (name, paused, rate_begin, rate_count, version) VALUES ('maintenance', 0, 0, 0, 1);

-- Periodic jobs: whoever first moves next_run_at on queues the job.
CREATE TABLE job_schedules (
    name TEXT NOT NULL PRIMARY KEY,
    queue TEXT NOT NULL,
    kind TEXT NOT NULL,
    cron TEXT NOT NULL,
    time_zone TEXT NOT NULL,
    next_run_at INTEGER, -- NULL: never again
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT, WITHOUT ROWID;

-- Secrets are kept as they are, since deliveries are signed with them: whoever reads this file can sign, too.
CREATE TABLE webhook_endpoints (
    endpoint_id BLOB NOT NULL PRIMARY KEY CHECK (length(endpoint_id) = 16),
    url TEXT NOT NULL,
    description TEXT,
    types TEXT, -- names with commas between; NULL: all
    status TEXT NOT NULL CHECK (status = 'enabled' OR status = 'disabled'),
    disabled_reason TEXT,
    secret TEXT NOT NULL,
    previous_secret TEXT,
    previous_until INTEGER, -- until when that signs, too
    failing_since INTEGER, -- NULL: the last delivery was taken
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    CHECK ((status = 'disabled') = (disabled_reason IS NOT NULL)),
    CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
) STRICT, WITHOUT ROWID;

-- For people with the sqlite3 shell. Nothing in the program reads these.

CREATE VIEW live_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at
FROM payment_timeouts t JOIN orders_readable o USING (order_no) JOIN order_items i USING (order_no)
     JOIN product_variants v USING (variant_no)
WHERE t.run_at > (julianday('now') - 2440587.5) * 86400000;

CREATE VIEW overdue_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at,
       CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - t.run_at AS late_ms
FROM payment_timeouts t JOIN orders_readable o USING (order_no) JOIN order_items i USING (order_no)
     JOIN product_variants v USING (variant_no)
WHERE t.run_at <= (julianday('now') - 2440587.5) * 86400000;

CREATE VIEW jobs_readable AS
SELECT job_no,
       lower(substr(hex(job_id), 1, 8) || '-' || substr(hex(job_id), 9, 4) || '-' || substr(hex(job_id), 13, 4)
             || '-' || substr(hex(job_id), 17, 4) || '-' || substr(hex(job_id), 21)) AS job_id,
       queue, kind, key, state, strftime('%Y-%m-%dT%H:%M:%SZ', run_at / 1000, 'unixepoch') AS run_at, priority, attempt,
       max_attempts, last_error, payload, event_sequence
FROM jobs;
