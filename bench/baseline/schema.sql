-- The tables of a shop as teams write them, with no more than each order needs: no foreign keys, no events, no
-- idempotency keys, so that nothing here costs the baseline what Holdfast leaves out.
CREATE TABLE stock_levels (
    variant_id bigint PRIMARY KEY,
    stock_quantity bigint NOT NULL,
    reserved_quantity bigint NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT stock_levels_quantities CHECK (0 <= reserved_quantity AND reserved_quantity <= stock_quantity)
) WITH (fillfactor = 40);

CREATE TABLE orders (
    order_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    customer_id text NOT NULL,
    status text NOT NULL,
    currency text NOT NULL,
    total_amount bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);
CREATE INDEX orders_by_customer ON orders (customer_id, order_id);

CREATE TABLE order_items (
    order_id bigint NOT NULL,
    line integer NOT NULL,
    variant_id bigint NOT NULL,
    quantity bigint NOT NULL,
    unit_price bigint NOT NULL,
    PRIMARY KEY (order_id, line)
);

CREATE TABLE stock_reservations (
    order_id bigint NOT NULL,
    line integer NOT NULL,
    variant_id bigint NOT NULL,
    quantity bigint NOT NULL,
    status text NOT NULL,
    PRIMARY KEY (order_id, line)
);

CREATE TABLE jobs (
    kind text NOT NULL,
    run_at timestamptz NOT NULL,
    order_id bigint NOT NULL,
    PRIMARY KEY (kind, run_at, order_id)
);

INSERT INTO stock_levels VALUES (1, 0, 0, 1); -- the run says how many
