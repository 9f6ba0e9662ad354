-- Holdfast on PostgreSQL 15 and later. One shop is one schema: no statement names it, the connection's search_path does.
-- Ids are UUIDv7, so their order is the order of time. Keys that clients choose are compared byte by byte (COLLATE "C"),
-- so that no upgrade of the system's collations can break an index. Every index costs each order: a new one needs a
-- measurement. The tables that every order writes have no foreign keys: each would look up its row once more for every
-- row, and lock what all orders share; `holdfast audit` checks what they would.

CREATE TABLE holdfast_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
COMMENT ON TABLE holdfast_migrations IS 'Which migrations this schema has had.';

-- Catalogue and stock

CREATE TABLE products (
    product_id uuid PRIMARY KEY,
    title text NOT NULL,
    created_at timestamptz NOT NULL,
    version bigint NOT NULL CHECK (version >= 1)
);
COMMENT ON TABLE products IS 'What is for sale; its variants have the SKUs and prices.';
COMMENT ON COLUMN products.product_id IS 'As in the API.';
COMMENT ON COLUMN products.title IS 'What customers see.';
COMMENT ON COLUMN products.version IS 'Counts changes of the title; the ETag of the API.';

CREATE TABLE product_variants (
    variant_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    product_id uuid NOT NULL REFERENCES products,
    sku text COLLATE "C" NOT NULL UNIQUE,
    title text NOT NULL,
    price_amount bigint NOT NULL CHECK (price_amount >= 0),
    currency text NOT NULL CHECK (length(currency) = 3),
    max_per_customer bigint CHECK (max_per_customer >= 1),
    low_stock_threshold bigint CHECK (low_stock_threshold >= 0),
    version bigint NOT NULL CHECK (version >= 1)
);
CREATE INDEX product_variants_by_product ON product_variants (product_id, variant_id);
-- A flash sale has few limited variants, and every order asks whether its lines are some of them.
CREATE INDEX product_variants_limited ON product_variants (sku) WHERE max_per_customer IS NOT NULL;
COMMENT ON TABLE product_variants IS 'What has a SKU and a price; a simple product has one.';
COMMENT ON COLUMN product_variants.variant_id IS 'The database''s own number; the API knows variants by their SKU.';
COMMENT ON COLUMN product_variants.sku IS 'The merchant''s own; never changes.';
COMMENT ON COLUMN product_variants.product_id IS 'The product that it is one of.';
COMMENT ON COLUMN product_variants.title IS 'What customers see: of a simple product the same as the products.';
COMMENT ON COLUMN product_variants.price_amount IS 'In minor units of the currency (cents).';
COMMENT ON COLUMN product_variants.currency IS 'ISO 4217, as everywhere.';
COMMENT ON COLUMN product_variants.max_per_customer IS 'Units that one customer may have in paid orders and live holds; NULL: no limit.';
COMMENT ON COLUMN product_variants.low_stock_threshold IS 'A stock.low event follows when what is available falls to this; NULL: never.';
COMMENT ON COLUMN product_variants.version IS 'Counts changes of the variant itself, not of its stock.';

CREATE TABLE locations (
    location_id smallint PRIMARY KEY,
    name text NOT NULL UNIQUE
);
INSERT INTO locations (location_id, name) VALUES (1, 'default');
COMMENT ON TABLE locations IS 'Where stock lies; one, for now.';

-- The hot rows: keys, two quantities and a version, nothing else, no index but the key, and room on each page for the
-- next version of a row, so that an update touches that page alone. The CHECK is invariant I1.
CREATE TABLE stock_levels (
    variant_id bigint NOT NULL REFERENCES product_variants,
    location_id smallint NOT NULL DEFAULT 1 REFERENCES locations,
    stock_quantity bigint NOT NULL,
    reserved_quantity bigint NOT NULL,
    version bigint NOT NULL CHECK (version >= 1),
    PRIMARY KEY (variant_id, location_id),
    CONSTRAINT never_oversold CHECK (0 <= reserved_quantity AND reserved_quantity <= stock_quantity)
) WITH (fillfactor = 40, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.2);
COMMENT ON TABLE stock_levels IS 'How much of a variant there is. available = stock_quantity - reserved_quantity.';
COMMENT ON COLUMN stock_levels.variant_id IS 'What lies there; stock_overview has its SKU.';
COMMENT ON COLUMN stock_levels.location_id IS 'Where it lies.';
COMMENT ON COLUMN stock_levels.stock_quantity IS 'On hand: what was sold is gone from it.';
COMMENT ON COLUMN stock_levels.reserved_quantity IS 'Of these, held by drafts whose payment is awaited.';
COMMENT ON COLUMN stock_levels.version IS 'One more with every move; each update names the version that it was planned on.';

-- Orders

CREATE TABLE orders (
    order_id uuid PRIMARY KEY,
    customer_id text COLLATE "C" NOT NULL,
    status text NOT NULL CHECK (status = 'draft' OR status = 'paid' OR status = 'cancelled' OR status = 'expired'),
    currency text NOT NULL,
    total_amount bigint NOT NULL CHECK (total_amount >= 0),
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    hold_ms bigint NOT NULL CHECK (hold_ms > 0),
    version bigint NOT NULL CHECK (version >= 1),
    revived boolean NOT NULL,
    cancel_reason text,
    metadata jsonb,
    metadata_keys text[]
);
CREATE INDEX orders_by_customer ON orders (customer_id, order_id);
-- Drafts are found through their jobs, so that an order enters this index once its hold has ended, not when it is placed.
CREATE INDEX orders_by_status ON orders (status, order_id) WHERE status <> 'draft';
COMMENT ON TABLE orders IS 'draft: stock is held until expires_at; paid: sold; cancelled, expired: given back.';
COMMENT ON COLUMN orders.order_id IS 'As in the API; begins with the time.';
COMMENT ON COLUMN orders.customer_id IS 'The shop''s own name for the customer.';
COMMENT ON COLUMN orders.status IS 'draft: to be paid until expires_at; paid; cancelled: by the shop or the customer; expired: by its deadline.';
COMMENT ON COLUMN orders.created_at IS 'By the database''s clock, as all times here.';
COMMENT ON COLUMN orders.version IS 'Counts the order''s changes; the ETag of the API.';
COMMENT ON COLUMN orders.cancel_reason IS 'payment_timeout where the deadline passed, else what the client gave.';
COMMENT ON COLUMN orders.metadata IS 'The client''s own texts; NULL where it gave none.';
COMMENT ON COLUMN orders.metadata_keys IS 'The order in which the client gave them, which jsonb does not keep.';
COMMENT ON COLUMN orders.total_amount IS 'In minor units of the currency (cents).';
COMMENT ON COLUMN orders.expires_at IS 'The deadline for the payment.';
COMMENT ON COLUMN orders.hold_ms IS 'The hold as first asked for, in milliseconds; extensions do not change it.';
COMMENT ON COLUMN orders.revived IS 'Paid after its deadline, since the stock was still there.';

CREATE TABLE order_items (
    order_id uuid NOT NULL,
    line integer NOT NULL CHECK (line >= 1),
    variant_id bigint NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 1),
    unit_price bigint NOT NULL CHECK (unit_price >= 0),
    PRIMARY KEY (order_id, line)
);
CREATE INDEX order_items_by_variant ON order_items (variant_id, order_id);
COMMENT ON TABLE order_items IS 'The lines of the orders.';
COMMENT ON COLUMN order_items.line IS '1 is the first, as it was ordered.';
COMMENT ON COLUMN order_items.variant_id IS 'What was ordered, in product_variants.';
COMMENT ON COLUMN order_items.quantity IS 'How many; two lines may be of one variant.';
COMMENT ON COLUMN order_items.unit_price IS 'When the order was placed, in minor units of its currency.';

CREATE TABLE stock_reservations (
    order_id uuid NOT NULL,
    line integer NOT NULL,
    variant_id bigint NOT NULL,
    quantity bigint NOT NULL CHECK (quantity >= 1),
    status text NOT NULL CHECK (status = 'active' OR status = 'converted' OR status = 'released'),
    PRIMARY KEY (order_id, line)
);
COMMENT ON TABLE stock_reservations IS 'What each line holds. reserved_quantity of a stock level is the sum of its active ones.';
COMMENT ON COLUMN stock_reservations.order_id IS 'With line: which order item it is for.';
COMMENT ON COLUMN stock_reservations.variant_id IS 'As in the order item.';
COMMENT ON COLUMN stock_reservations.quantity IS 'As in the order item.';
COMMENT ON COLUMN stock_reservations.status IS 'active while the order is a draft, converted once it is paid, released when it was cancelled or expired.';

CREATE TABLE payments (
    payment_reference text COLLATE "C" PRIMARY KEY,
    order_id uuid NOT NULL REFERENCES orders,
    number integer NOT NULL CHECK (number >= 1),
    status text NOT NULL CHECK (status = 'accepted' OR status = 'refund_due'),
    amount bigint NOT NULL CHECK (amount >= 0),
    currency text NOT NULL,
    reason text,
    created_at timestamptz NOT NULL,
    UNIQUE (order_id, number),
    CHECK ((status = 'refund_due') = (reason IS NOT NULL))
);
COMMENT ON TABLE payments IS 'A reference is recorded once, whatever became of the money: accepted, or a refund is due.';
COMMENT ON COLUMN payments.payment_reference IS 'The payment provider''s.';
COMMENT ON COLUMN payments.status IS 'accepted: this paid the order; refund_due: money to give back.';
COMMENT ON COLUMN payments.amount IS 'In minor units of the currency (cents).';
COMMENT ON COLUMN payments.number IS '1 is the order''s first.';
COMMENT ON COLUMN payments.reason IS 'Why a refund is due.';

CREATE TABLE stock_movements (
    movement_no bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    movement_id uuid NOT NULL,
    variant_id bigint NOT NULL,
    delta bigint NOT NULL,
    reason text NOT NULL CHECK (reason IN ('initial', 'sale', 'restock', 'correction', 'return', 'damage', 'other')),
    reference text,
    order_id uuid,
    stock_quantity bigint NOT NULL CHECK (stock_quantity >= 0),
    created_at timestamptz NOT NULL
);
CREATE INDEX stock_movements_by_variant ON stock_movements (variant_id, movement_no);
COMMENT ON TABLE stock_movements IS 'The ledger: stock_quantity of a level is the sum of its movements. Rows are only ever added.';
COMMENT ON COLUMN stock_movements.movement_no IS 'The position in the ledger; of one variant they ascend with time.';
COMMENT ON COLUMN stock_movements.movement_id IS 'As in the API.';
COMMENT ON COLUMN stock_movements.delta IS 'Added to stock_quantity; negative where stock went.';
COMMENT ON COLUMN stock_movements.reason IS 'initial, sale, restock, correction, return, damage or other.';
COMMENT ON COLUMN stock_movements.reference IS 'What the client gave: a delivery, a stock-taking.';
COMMENT ON COLUMN stock_movements.order_id IS 'Of a sale.';
COMMENT ON COLUMN stock_movements.stock_quantity IS 'What the movement led to.';

CREATE TABLE jobs (
    kind text NOT NULL,
    run_at timestamptz NOT NULL,
    order_id uuid NOT NULL,
    PRIMARY KEY (kind, run_at, order_id)
) WITH (autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE jobs IS 'What is to happen later. A draft has exactly one payment_timeout, due at its expires_at.';
COMMENT ON COLUMN jobs.kind IS 'What is to be done: payment_timeout expires the order and gives its stock back.';
COMMENT ON COLUMN jobs.run_at IS 'Not before; paying or cancelling the order deletes the job, extending it moves it.';

-- Every change of state, committed with it (I11). Numbers are given out of one row (counters) at the end of each
-- transaction, so that they become visible in their order and without gaps.
CREATE TABLE events (
    sequence bigint PRIMARY KEY,
    event_id uuid NOT NULL,
    type text NOT NULL,
    created_at timestamptz NOT NULL,
    order_id uuid,
    data json NOT NULL
);
CREATE INDEX events_by_order ON events (order_id, sequence) WHERE order_id IS NOT NULL;
-- The types that are rare: without this a search for one of them would walk the whole log.
CREATE INDEX events_by_type ON events (type, sequence)
    WHERE type <> 'order.created' AND type <> 'order.paid' AND type <> 'order.expired';
COMMENT ON TABLE events IS 'The log of what happened, in order: whoever has seen sequence n has seen all before.';
COMMENT ON COLUMN events.sequence IS 'The position in the log, without gaps.';
COMMENT ON COLUMN events.event_id IS 'As in the API.';
COMMENT ON COLUMN events.type IS 'order.created, order.paid, stock.sold_out, ...';
COMMENT ON COLUMN events.order_id IS 'Whose history it belongs to; NULL: about stock.';
COMMENT ON COLUMN events.data IS 'As the API shows it.';

CREATE TABLE counters (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    last_sequence bigint NOT NULL,
    live_holds bigint NOT NULL
) WITH (fillfactor = 10);
INSERT INTO counters (last_sequence, live_holds) VALUES (0, 0);
COMMENT ON TABLE counters IS 'One row: the last event''s number, and how many drafts there are.';
COMMENT ON COLUMN counters.last_sequence IS 'Of the newest event; each transaction takes its numbers from here, last of all.';
COMMENT ON COLUMN counters.live_holds IS 'Drafts, counted with the transactions that make and end them.';

-- Answers to repeat. A creation of one order is answered again from the order; any other answer is kept as it was given.
CREATE TABLE idempotency_keys (
    key text COLLATE "C" PRIMARY KEY,
    fingerprint bytea NOT NULL CHECK (length(fingerprint) = 32),
    created_at timestamptz NOT NULL,
    order_id uuid,
    status integer,
    body text,
    location text,
    version bigint,
    CHECK ((order_id IS NULL) <> (status IS NULL))
);
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
COMMENT ON TABLE idempotency_keys IS 'One key, one request, one effect. Pruned after 24 hours.';
COMMENT ON COLUMN idempotency_keys.key IS 'The clients Idempotency-Key.';
COMMENT ON COLUMN idempotency_keys.fingerprint IS 'SHA-256 of method, path and body.';
COMMENT ON COLUMN idempotency_keys.order_id IS 'The order that was created under it; NULL: the answer is in status, body, location and version.';

-- The number of each process's last transaction: after a connection was lost over a COMMIT, this tells whether it
-- happened. pg_xact_status() would not do: after a failover the new primary gives the same transaction ids out again.
-- And the number of the one connection that the process writes through: what is still on its way through one that it gave
-- up fails here.
CREATE TABLE writers (
    writer_id uuid PRIMARY KEY,
    batch bigint NOT NULL,
    connection bigint NOT NULL,
    written_at timestamptz NOT NULL
) WITH (fillfactor = 10);
COMMENT ON TABLE writers IS 'Processes that write here, each with the number of its last transaction. Forgotten after a day.';
COMMENT ON COLUMN writers.writer_id IS 'Drawn by each process at its start.';
COMMENT ON COLUMN writers.batch IS 'Which of its transactions was the last.';
COMMENT ON COLUMN writers.connection IS 'Which of its connections may write: the latest.';

-- Who may call the API

CREATE TABLE api_keys (
    key_id uuid PRIMARY KEY,
    name text NOT NULL,
    scope text NOT NULL CHECK (scope = 'read' OR scope = 'write' OR scope = 'admin'),
    hash bytea NOT NULL UNIQUE CHECK (length(hash) = 32),
    hint text NOT NULL,
    created_at timestamptz NOT NULL,
    revoked_at timestamptz
);
CREATE UNIQUE INDEX api_keys_name_in_force ON api_keys (name) WHERE revoked_at IS NULL;
COMMENT ON TABLE api_keys IS 'Who may call the API; made by holdfast keys create.';
COMMENT ON COLUMN api_keys.name IS 'For people; one key in force a name.';
COMMENT ON COLUMN api_keys.scope IS 'read, write or admin, each including the one before.';
COMMENT ON COLUMN api_keys.hash IS 'SHA-256 of the key; the key itself is nowhere.';
COMMENT ON COLUMN api_keys.hint IS 'The key''s first characters, to tell keys apart.';
COMMENT ON COLUMN api_keys.revoked_at IS 'NULL: in force.';

-- Metadata as the API shows it: compact, in the order in which it was given, what was added since behind it.
CREATE FUNCTION metadata_text(metadata jsonb, keys text[]) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT '{' || coalesce(string_agg(to_json(m.key) || ':' || m.value::text, ','
                                      ORDER BY array_position(keys, m.key), m.key), '') || '}'
    FROM jsonb_each(metadata) AS m
$$;
COMMENT ON FUNCTION metadata_text IS 'An order''s metadata as the API shows it.';

-- Fails a batch whose guarded update did not find every row at the version that it was planned on: inside the pipeline,
-- so that the COMMIT behind it is not reached.
CREATE FUNCTION require_rows(changed bigint, expected bigint, what text) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    IF changed <> expected THEN
        RAISE EXCEPTION '% of % % are no longer at the version that was loaded', expected - changed, expected, what
            USING ERRCODE = 'HF001';
    END IF;
    RETURN changed;
END
$$;
COMMENT ON FUNCTION require_rows IS 'Raises HF001 (load afresh, plan again) where an update found fewer rows than it should.';

-- For people. Nothing in the program reads these.

CREATE VIEW stock_overview AS
SELECT v.sku, p.title AS product, v.title AS variant, s.stock_quantity, s.reserved_quantity,
       s.stock_quantity - s.reserved_quantity AS available_quantity, l.name AS location
FROM stock_levels s JOIN product_variants v USING (variant_id) JOIN products p USING (product_id)
     JOIN locations l USING (location_id);
COMMENT ON VIEW stock_overview IS 'What there is of each SKU, what is held, what can be bought.';

CREATE VIEW live_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at,
       o.expires_at - clock_timestamp() AS time_left
FROM orders o JOIN jobs j ON j.kind = 'payment_timeout' AND j.run_at = o.expires_at AND j.order_id = o.order_id
     JOIN order_items i ON i.order_id = o.order_id JOIN product_variants v USING (variant_id)
WHERE o.status = 'draft' AND j.run_at > clock_timestamp();
COMMENT ON VIEW live_holds IS 'Stock that is held while a customer pays.';

CREATE VIEW overdue_holds AS
SELECT o.order_id, o.customer_id, i.line, v.sku, i.quantity, o.created_at, o.expires_at,
       clock_timestamp() - o.expires_at AS late_by
FROM orders o JOIN jobs j ON j.kind = 'payment_timeout' AND j.run_at = o.expires_at AND j.order_id = o.order_id
     JOIN order_items i ON i.order_id = o.order_id JOIN product_variants v USING (variant_id)
WHERE o.status = 'draft' AND j.run_at <= clock_timestamp();
COMMENT ON VIEW overdue_holds IS 'Holds past their deadline that no server has released yet: more than moments old, none is running.';
