import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { order, sleep, times, useShop } from './support/shop.mjs';

describe('lists', () => {
  const shop = useShop();
  const orderIds = (rows) => rows.map((row) => row.order_id);
  const place = async (sku, count, more) => {
    const placed = [];
    for (let i = 0; i < count; i += 1) {
      placed.push(await shop.places({ [sku]: 1 }, more));
      await sleep(2); /* no two in one millisecond */
    }
    return placed;
  };
  const refuses = async (target, field, code = 'invalid_request') => {
    const { body } = await shop.get(target, `422 ${code}`);
    assert.equal(body.errors[0].field, field, target);
  };

  test('a page holds 50 rows unless it is asked for another number', async () => {
    const sku = await shop.sells(1000);
    await shop.post('/v1/orders/batch', { orders: Array.from({ length: 60 }, () => order('c-p', { [sku]: 1 })) }, 200);
    const first = (await shop.get(`/v1/orders?sku=${sku}`)).body;
    assert.equal(first.data.length, 50);
    const second = (await shop.get(`/v1/orders?sku=${sku}&cursor=${encodeURIComponent(first.next_cursor)}`)).body;
    assert.deepEqual([second.data.length, second.next_cursor], [10, null]);
    assert.equal((await shop.get(`/v1/orders?sku=${sku}&limit=1000`)).body.data.length, 60);
    const exact = (await shop.get(`/v1/orders?sku=${sku}&limit=60`)).body;
    assert.deepEqual([exact.data.length, exact.next_cursor], [60, null]);
  });

  test('pages are stable while rows are added', async () => {
    const sku = await shop.sells(1000);
    const placed = await place(sku, 9);
    const seen = [];
    let cursor = '';
    do {
      const { body } = await shop.get(`/v1/orders?sku=${sku}&limit=2${cursor}`);
      seen.push(...orderIds(body.data));
      cursor = body.next_cursor === null ? null : `&cursor=${encodeURIComponent(body.next_cursor)}`;
      await place(sku, 1);
    } while (cursor !== null);
    assert.deepEqual(seen, orderIds(placed).reverse(), 'newest first, each once, none of the later ones');
  });

  test('every list pages to its end', async () => {
    const sku = await shop.sells(100);
    await place(sku, 5);
    await times(5, () => shop.post(`/v1/stock/${sku}/adjustments`, { delta: 1 }, 201));
    const [first] = await place(sku, 1);
    await shop.pays(first);
    for (const target of [
      `/v1/orders?sku=${sku}`,
      `/v1/reservations?sku=${sku}`,
      `/v1/stock/${sku}/movements`,
      '/v1/products',
      '/v1/events',
      '/v1/events?type=order.created',
      `/v1/orders/${first.order_id}/events`,
      '/v1/orders?customer_id=c-1',
      '/v1/orders?status=draft',
      '/v1/reservations?status=active',
      '/v1/reservations',
      '/v1/orders',
    ]) {
      const whole = await shop.all(target, 1000);
      assert.ok(whole.length > 0, target);
      assert.deepEqual(await shop.all(target, 2), whole, target);
    }
  });

  test('a reservation list pages within one order', async () => {
    const skus = await times(5, () => shop.sells(5));
    const placed = await shop.places(Object.fromEntries(skus.map((sku) => [sku, 1])));
    const rows = (await shop.all('/v1/reservations', 2)).filter((row) => row.order_id === placed.order_id);
    assert.deepEqual(rows.map((row) => row.line).sort(), [1, 2, 3, 4, 5]);
  });

  test('orders are filtered by status, customer, SKU and time, alone and together', async () => {
    const [sku, other] = [await shop.sells(100), await shop.sells(100)];
    const [draft] = await place(sku, 1, { customer: 'filter-a' });
    const [paid] = await place(sku, 1, { customer: 'filter-a' });
    await shop.pays(paid);
    const [cancelled] = await place(sku, 1, { customer: 'filter-b' });
    await shop.post(`/v1/orders/${cancelled.order_id}/cancel`, {}, 200);
    const [elsewhere] = await place(other, 1, { customer: 'filter-b' });
    const [expired] = await place(sku, 1, { customer: 'filter-c', hold_seconds: 1 });
    await shop.expired(expired);
    const finds = async (query, ...orders) =>
      assert.deepEqual(orderIds(await shop.all(`/v1/orders?${query}`)), orderIds(orders), query);
    await finds(`sku=${sku}`, expired, cancelled, paid, draft);
    await finds(`sku=${sku}&status=draft`, draft);
    await finds(`sku=${sku}&status=paid`, paid);
    await finds(`sku=${sku}&status=cancelled`, cancelled);
    await finds(`sku=${sku}&status=expired`, expired);
    await finds('customer_id=filter-b', elsewhere, cancelled);
    await finds(`customer_id=filter-b&sku=${sku}`, cancelled);
    await finds(`customer_id=filter-b&status=paid`);
    await finds('sku=no-such-sku');
    await finds(`sku=${sku}&created_after=${paid.created_at}&created_before=${expired.created_at}`, cancelled, paid);
    await finds(`sku=${sku}&created_before=${draft.created_at}`);
  });

  test('an order with two lines of a SKU is listed once', async () => {
    const sku = await shop.sells(100);
    const { body } = await shop.post(
      '/v1/orders',
      {
        customer_id: 'c',
        items: [
          { sku, quantity: 1 },
          { sku, quantity: 2 },
        ],
      },
      201,
    );
    assert.deepEqual(orderIds(await shop.all(`/v1/orders?sku=${sku}`)), [body.order_id]);
    assert.equal((await shop.all(`/v1/reservations?sku=${sku}`)).length, 2);
  });

  test('times may be given in any zone and with less than milliseconds', async () => {
    const sku = await shop.sells(100);
    const [placed] = await place(sku, 1);
    await sleep(5);
    const later = encodeURIComponent(new Date(Date.now() + 2 * 3600_000).toISOString().replace('Z', '+02:00'));
    assert.deepEqual(await shop.all(`/v1/orders?sku=${sku}&created_before=${later}`).then(orderIds), [placed.order_id]);
    assert.equal((await shop.all(`/v1/orders?sku=${sku}&created_after=2020-01-01T00:00:00Z`)).length, 1);
  });

  test('filters combine with cursors', async () => {
    const sku = await shop.sells(100);
    const placed = await place(sku, 7);
    for (const one of placed.slice(0, 4)) {
      await shop.pays(one);
    }
    assert.deepEqual(
      orderIds(await shop.all(`/v1/orders?sku=${sku}&status=paid`, 3)),
      orderIds(placed.slice(0, 4)).reverse(),
    );
    assert.equal((await shop.all(`/v1/reservations?sku=${sku}&status=active`, 2)).length, 3);
    assert.equal((await shop.all(`/v1/reservations?sku=${sku}&status=converted`, 2)).length, 4);
  });

  test('what the query gets wrong is named', async () => {
    for (const limit of ['0', '1001', '-1', 'ten', '', '1.5', '1e2', '99999999999999999999', '%31%00']) {
      await refuses(`/v1/orders?limit=${limit}`, 'limit');
    }
    for (const cursor of ['x', '', '!!!!', 'AAAA', 'a'.repeat(2000), '%00']) {
      await refuses(`/v1/orders?cursor=${cursor}`, 'cursor');
    }
    await refuses('/v1/orders?status=open', 'status');
    await refuses('/v1/orders?status=', 'status');
    await refuses('/v1/orders?created_after=yesterday', 'created_after');
    await refuses('/v1/orders?created_before=2026-13-01T00:00:00Z', 'created_before');
    await refuses(`/v1/orders?customer_id=${'x'.repeat(129)}`, 'customer_id');
    await refuses('/v1/reservations?status=draft', 'status');
    await refuses('/v1/events?type=order.lost', 'type');
    await refuses('/v1/events?after=-1', 'after');
    await refuses('/v1/events?after=x', 'after');
    await refuses('/v1/orders?limit=1&limit=2', 'limit');
    await refuses('/v1/orders?limit=%zz', 'limit');
  });

  test('a cursor belongs to its list', async () => {
    const sku = await shop.sells(100);
    await place(sku, 3);
    const { body } = await shop.get(`/v1/orders?sku=${sku}&limit=1`);
    for (const target of ['/v1/products', '/v1/events', '/v1/reservations', `/v1/stock/${sku}/movements`]) {
      await refuses(`${target}?cursor=${encodeURIComponent(body.next_cursor)}`, 'cursor');
    }
  });

  test('unknown parameters are refused by name', async () => {
    const sku = await shop.sells(100);
    const [placed] = await place(sku, 1);
    for (const target of [
      '/v1/orders?colour=red',
      '/v1/products?sku=x',
      `/v1/orders/${placed.order_id}?expand=all`,
      `/v1/variants/${sku}?x=1`,
      `/v1/stock/${sku}?x`,
      '/v1/events?since=1',
      `/v1/stock/${sku}/movements?reason=sale`,
    ]) {
      const { body } = await shop.get(target, '422 unknown_parameter');
      assert.ok(body.detail.length > 0);
    }
    await shop.post('/v1/orders?dry_run=1', order('c', { [sku]: 1 }), '422 unknown_parameter');
  });
});
