-- One order, as well as one transaction an order can: everything else first, the hot row last and in one guarded
-- statement, so that it is locked for no longer than the commit takes.
\set customer random(1, 1000000)
BEGIN;
INSERT INTO orders (customer_id, status, currency, total_amount, expires_at)
    VALUES ('c-' || :customer, 'draft', 'EUR', 1999, now() + interval '15 minutes') RETURNING order_id \gset
INSERT INTO order_items VALUES (:order_id, 1, 1, 1, 1999);
INSERT INTO stock_reservations VALUES (:order_id, 1, 1, 1, 'active');
INSERT INTO jobs VALUES ('payment_timeout', now() + interval '15 minutes', :order_id);
WITH moved AS (
    UPDATE stock_levels SET reserved_quantity = reserved_quantity + 1, version = version + 1
    WHERE variant_id = 1 AND stock_quantity - reserved_quantity >= 1 RETURNING 1)
SELECT count(*) AS moved FROM moved \gset
\if :moved
COMMIT;
\else
ROLLBACK;
\endif
