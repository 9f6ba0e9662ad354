-- One order, optimistically: read stock and version, update where the version is still that one. Who lost the race rolls
-- back and comes again: that is pgbench's next transaction.
\set customer random(1, 1000000)
BEGIN;
SELECT version, stock_quantity - reserved_quantity AS available FROM stock_levels WHERE variant_id = 1 \gset
WITH moved AS (
    UPDATE stock_levels SET reserved_quantity = reserved_quantity + 1, version = version + 1
    WHERE variant_id = 1 AND version = :version AND stock_quantity - reserved_quantity >= 1 RETURNING 1)
SELECT count(*) AS moved FROM moved \gset
\if :moved
INSERT INTO orders (customer_id, status, currency, total_amount, expires_at)
    VALUES ('c-' || :customer, 'draft', 'EUR', 1999, now() + interval '15 minutes') RETURNING order_id \gset
INSERT INTO order_items VALUES (:order_id, 1, 1, 1, 1999);
INSERT INTO stock_reservations VALUES (:order_id, 1, 1, 1, 'active');
INSERT INTO jobs VALUES ('payment_timeout', now() + interval '15 minutes', :order_id);
COMMIT;
\else
ROLLBACK;
\endif
