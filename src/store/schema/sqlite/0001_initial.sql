-- Holdfast on SQLite. Times are milliseconds since 1970 in UTC; ids are UUIDv7 as 16 bytes, so their order is the order
-- of time; *_no columns are the store's own row numbers and never leave it. Every index costs each order: a new one
-- needs a measurement. On hot tables conditions are spelled with OR: for an IN of three values and more SQLite makes a
-- temporary table with every row.

CREATE TABLE schema_migrations (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    applied_at INTEGER NOT NULL
) STRICT;

-- Catalogue and stock

CREATE TABLE products (
    product_no INTEGER PRIMARY KEY,
    product_id BLOB NOT NULL UNIQUE CHECK (length(product_id) = 16),
    title TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;

CREATE TABLE product_variants (
    variant_no INTEGER PRIMARY KEY,
    product_no INTEGER NOT NULL REFERENCES products,
    sku TEXT NOT NULL UNIQUE,
    title TEXT NOT NULL,
    price_amount INTEGER NOT NULL CHECK (price_amount >= 0),
    currency TEXT NOT NULL CHECK (length(currency) = 3),
    max_per_customer INTEGER CHECK (max_per_customer >= 1), -- NULL: no limit
    low_stock_threshold INTEGER CHECK (low_stock_threshold >= 0), -- NULL: none
    version INTEGER NOT NULL CHECK (version >= 1)
) STRICT;

CREATE INDEX product_variants_by_product ON product_variants (product_no);

CREATE TABLE locations (
    location_no INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

INSERT INTO locations (location_no, name) VALUES (1, 'default');

-- The hot rows: keys, two quantities and a version, nothing else. The CHECK is invariant I1.
CREATE TABLE stock_levels (
    variant_no INTEGER NOT NULL REFERENCES product_variants,
    location_no INTEGER NOT NULL DEFAULT 1 REFERENCES locations,
    stock_quantity INTEGER NOT NULL,
    reserved_quantity INTEGER NOT NULL,
    version INTEGER NOT NULL CHECK (version >= 1),
    PRIMARY KEY (variant_no, location_no),
    CHECK (0 <= reserved_quantity AND reserved_quantity <= stock_quantity)
) STRICT, WITHOUT ROWID;

-- Orders

CREATE TABLE orders (
    order_no INTEGER PRIMARY KEY,
    order_id BLOB NOT NULL UNIQUE CHECK (length(order_id) = 16),
    customer_id TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status = 'draft' OR status = 'paid' OR status = 'cancelled' OR status = 'expired'),
    currency TEXT NOT NULL,
    total_amount INTEGER NOT NULL CHECK (total_amount >= 0),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    hold_ms INTEGER NOT NULL CHECK (hold_ms > 0), -- as first asked for
    version INTEGER NOT NULL CHECK (version >= 1),
    revived INTEGER NOT NULL CHECK (revived IN (0, 1)), -- paid after its deadline, since the stock was still there
    cancel_reason TEXT,
    metadata TEXT
) STRICT;

-- Drafts are found through their jobs, so that an order enters this index once its hold has ended, not when it is placed.
CREATE INDEX orders_by_status ON orders (status, order_no) WHERE status <> 'draft';

CREATE TABLE order_items (
    order_no INTEGER NOT NULL REFERENCES orders,
    line INTEGER NOT NULL CHECK (line >= 1),
    variant_no INTEGER NOT NULL REFERENCES product_variants,
    quantity INTEGER NOT NULL CHECK (quantity >= 1),
    unit_price INTEGER NOT NULL CHECK (unit_price >= 0),
    PRIMARY KEY (order_no, line)
) STRICT, WITHOUT ROWID;

CREATE TABLE stock_reservations (
    order_no INTEGER NOT NULL,
    line INTEGER NOT NULL,
    variant_no INTEGER NOT NULL,
    quantity INTEGER NOT NULL CHECK (quantity >= 1),
    status TEXT NOT NULL CHECK (status = 'active' OR status = 'converted' OR status = 'released'),
    PRIMARY KEY (order_no, line),
    FOREIGN KEY (order_no, line) REFERENCES order_items (order_no, line)
) STRICT, WITHOUT ROWID;

-- A reference is recorded once, whatever became of the money: invariant I7.
CREATE TABLE payments (
    order_no INTEGER NOT NULL REFERENCES orders,
    number INTEGER NOT NULL CHECK (number >= 1), -- 1 is the order's first
    payment_reference TEXT NOT NULL UNIQUE,
    status TEXT NOT NULL CHECK (status IN ('accepted', 'refund_due')),
    amount INTEGER NOT NULL CHECK (amount >= 0),
    currency TEXT NOT NULL,
    reason TEXT, -- why a refund is due
    created_at INTEGER NOT NULL,
    PRIMARY KEY (order_no, number),
    CHECK ((status = 'refund_due') = (reason IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- The ledger: stock_quantity is the sum of a variant's movements (I3). Rows are only ever added.
CREATE TABLE stock_movements (
    movement_no INTEGER PRIMARY KEY,
    movement_id BLOB NOT NULL CHECK (length(movement_id) = 16),
    variant_no INTEGER NOT NULL REFERENCES product_variants,
    delta INTEGER NOT NULL,
    reason TEXT NOT NULL,
    reference TEXT,
    order_no INTEGER REFERENCES orders,
    stock_quantity INTEGER NOT NULL CHECK (stock_quantity >= 0), -- what it led to
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX stock_movements_by_variant ON stock_movements (variant_no, movement_no);

-- What is to happen later. A draft has exactly one payment_timeout, due at its expires_at (I4), so the order itself
-- says where its job is.
CREATE TABLE jobs (
    kind TEXT NOT NULL,
    run_at INTEGER NOT NULL,
    order_no INTEGER NOT NULL REFERENCES orders,
    PRIMARY KEY (kind, run_at, order_no)
) STRICT, WITHOUT ROWID;

-- Every change of state, committed with it (I11). One writer at a time numbers the rows with the next row number, so
-- sequences ascend without gaps; whoever prunes them keeps the last row, or the numbers would start again.
CREATE TABLE events (
    sequence INTEGER PRIMARY KEY,
    event_id BLOB NOT NULL CHECK (length(event_id) = 16),
    type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    order_no INTEGER REFERENCES orders, -- NULL: about stock
    data TEXT NOT NULL
) STRICT;

CREATE INDEX events_by_order ON events (order_no, sequence) WHERE order_no IS NOT NULL;

-- The types that are rare: without this a search for one of them would walk the whole log.
CREATE INDEX events_by_type ON events (type, sequence)
    WHERE type <> 'order.created' AND type <> 'order.paid' AND type <> 'order.expired';

-- Answers to repeat. A creation of one order is answered again from the order; any other answer is kept as it was given.
-- That a key is there once (I8) is decided by the one process that places orders, through idempotency_by_key.
CREATE TABLE idempotency_keys (
    key_no INTEGER PRIMARY KEY, -- ascends with time: whoever prunes keeps the last row, or numbers would start again
    key TEXT NOT NULL,
    fingerprint BLOB NOT NULL CHECK (length(fingerprint) = 32),
    created_at INTEGER NOT NULL,
    order_no INTEGER, -- checked by the audit; a foreign key would be looked up with every order
    status INTEGER,
    body TEXT,
    location TEXT,
    version INTEGER,
    CHECK ((order_no IS NULL) <> (status IS NULL))
) STRICT;

-- Deferred indexes: on random keys, written late and in order, so that a page takes many entries at once. They cover the
-- rows up to covered_to; the program keeps the newer ones in memory. A segment is 2^20 rows; hashes are the program's.

CREATE TABLE deferred_indexes (
    name TEXT NOT NULL PRIMARY KEY,
    covered_to INTEGER NOT NULL,
    seed INTEGER NOT NULL DEFAULT (random()) -- of its hashes, so that no client can choose what meets in one
) STRICT, WITHOUT ROWID;

INSERT INTO deferred_indexes (name, covered_to)
VALUES ('orders_by_customer', 0), ('orders_by_variant', 0), ('idempotency_by_key', 0);

CREATE TABLE orders_by_customer (
    segment INTEGER NOT NULL,
    customer_hash INTEGER NOT NULL,
    order_no INTEGER NOT NULL,
    PRIMARY KEY (segment, customer_hash, order_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders_by_variant (
    segment INTEGER NOT NULL,
    variant_hash INTEGER NOT NULL,
    order_no INTEGER NOT NULL,
    PRIMARY KEY (segment, variant_hash, order_no)
) STRICT, WITHOUT ROWID;

CREATE TABLE idempotency_by_key (
    segment INTEGER NOT NULL,
    key_hash INTEGER NOT NULL,
    key_no INTEGER NOT NULL,
    PRIMARY KEY (segment, key_hash, key_no)
) STRICT, WITHOUT ROWID;

-- Who may call the API

CREATE TABLE api_keys (
    key_id BLOB NOT NULL PRIMARY KEY CHECK (length(key_id) = 16),
    name TEXT NOT NULL,
    scope TEXT NOT NULL CHECK (scope IN ('read', 'write', 'admin')),
    hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32), -- SHA-256; the key itself is nowhere
    hint TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER -- NULL: in force
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX api_keys_name_in_force ON api_keys (name) WHERE revoked_at IS NULL;

-- For people with the sqlite3 shell. Nothing in the program reads these.

CREATE VIEW orders_readable AS
SELECT order_no,
       lower(substr(hex(order_id), 1, 8) || '-' || substr(hex(order_id), 9, 4) || '-' || substr(hex(order_id), 13, 4)
             || '-' || substr(hex(order_id), 17, 4) || '-' || substr(hex(order_id), 21)) AS order_id,
       customer_id, status, total_amount, currency,
       strftime('%Y-%m-%dT%H:%M:%SZ', created_at / 1000, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%SZ', expires_at / 1000, 'unixepoch') AS expires_at,
       revived, cancel_reason, metadata, version
FROM orders;

CREATE VIEW stock_overview AS
SELECT v.sku, p.title AS product, v.title AS variant, s.stock_quantity, s.reserved_quantity,
       s.stock_quantity - s.reserved_quantity AS available_quantity
FROM stock_levels s JOIN product_variants v USING (variant_no) JOIN products p USING (product_no);

CREATE VIEW live_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at
FROM jobs j JOIN orders_readable o USING (order_no) JOIN order_items i USING (order_no)
     JOIN product_variants v USING (variant_no)
WHERE j.kind = 'payment_timeout' AND j.run_at > (julianday('now') - 2440587.5) * 86400000;

CREATE VIEW overdue_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at,
       CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER) - j.run_at AS late_ms
FROM jobs j JOIN orders_readable o USING (order_no) JOIN order_items i USING (order_no)
     JOIN product_variants v USING (variant_no)
WHERE j.kind = 'payment_timeout' AND j.run_at <= (julianday('now') - 2440587.5) * 86400000;
