-- One order, with a check that is over before the write: read the stock, check it, then reserve one more, whatever has
-- become of it meanwhile.
\set customer random(1, 1000000)
BEGIN;
SELECT stock_quantity - reserved_quantity AS available FROM stock_levels WHERE variant_id = 1 \gset
\if :available > 0
UPDATE stock_levels SET reserved_quantity = reserved_quantity + 1 WHERE variant_id = 1;
INSERT INTO orders (customer_id, status, currency, total_amount, expires_at)
    VALUES ('c-' || :customer, 'draft', 'EUR', 1999, now() + interval '15 minutes') RETURNING order_id \gset
INSERT INTO order_items VALUES (:order_id, 1, 1, 1, 1999);
INSERT INTO stock_reservations VALUES (:order_id, 1, 1, 1, 'active');
INSERT INTO jobs VALUES ('payment_timeout', now() + interval '15 minutes', :order_id);
COMMIT;
\else
ROLLBACK;
\endif
