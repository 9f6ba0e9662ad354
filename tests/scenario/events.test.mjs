import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { euro, newKey, order, times, useShop } from './support/shop.mjs';

describe('the event log', () => {
  const shop = useShop();
  const lastSequence = async () => (await shop.all('/v1/events')).at(-1)?.sequence ?? 0;
  const since = async (sequence) => shop.all(`/v1/events?after=${sequence}`);

  test('every state change has one event, in order and without gaps', async () => {
    const start = await lastSequence();
    const sku = await shop.sells(1000);
    const placed = await times(40, () => shop.places({ [sku]: 1 }));
    await Promise.all(
      placed.map((one, i) => (i % 2 === 0 ? shop.pays(one) : shop.post(`/v1/orders/${one.order_id}/cancel`, {}, 200))),
    );
    const events = await since(start);
    assert.deepEqual(
      events.map((event) => event.sequence),
      events.map((_, i) => start + 1 + i),
    );
    const count = (type) => events.filter((event) => event.type === type).length;
    assert.deepEqual([count('order.created'), count('order.paid'), count('order.cancelled')], [40, 20, 20]);
    assert.equal(new Set(events.map((event) => event.event_id)).size, events.length);
    const times_ = events.map((event) => event.created_at);
    assert.deepEqual(times_, [...times_].sort());
  });

  test('refusals and replays leave no event', async () => {
    const sku = await shop.sells(1);
    const [key, body] = [newKey(), order('c-1', { [sku]: 1 })];
    await shop.post('/v1/orders', body, 201, { key });
    const start = await lastSequence();
    await shop.post('/v1/orders', body, 201, { key });
    await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), '409 insufficient_stock');
    await shop.post(`/v1/stock/${sku}/adjustments`, { delta: -1 }, '409 stock_is_reserved');
    assert.deepEqual(await since(start), []);
  });

  test('an event names its subject and what changed', async () => {
    const start = await lastSequence();
    const sku = await shop.sells(10);
    const placed = await shop.places({ [sku]: 2 });
    const reference = newKey('pi');
    await shop.pays(placed, newKey('pi'), '422 amount_mismatch', { amount: euro(1) });
    await shop.pays(placed, reference);
    await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 3, reason: 'return' }, 201);
    const [created, refund, paid, adjusted] = await since(start);
    assert.deepEqual(
      [created, refund, paid, adjusted].map((event) => event.type),
      ['order.created', 'payment.refund_due', 'order.paid', 'stock.adjusted'],
    );
    for (const event of [created, refund, paid]) {
      assert.equal(event.data.order_id, placed.order_id);
    }
    assert.equal(created.data.customer_id, 'c-1');
    assert.equal(refund.data.reason, 'amount_mismatch');
    assert.equal(paid.data.payment_reference, reference);
    assert.deepEqual(
      [adjusted.data.sku, adjusted.data.delta, adjusted.data.reason, adjusted.data.stock_quantity],
      [sku, 3, 'return', 11],
    );
  });

  test('the log can be followed from any sequence', async () => {
    const sku = await shop.sells(10);
    const start = await lastSequence();
    await shop.places({ [sku]: 1 });
    await shop.places({ [sku]: 1 });
    const first = (await shop.get(`/v1/events?after=${start}&limit=1`)).body.data;
    assert.deepEqual(
      first.map((event) => event.sequence),
      [start + 1],
    );
    assert.deepEqual(
      (await since(start + 1)).map((event) => event.sequence),
      [start + 2],
    );
    assert.deepEqual(await since(start + 2), []);
    assert.deepEqual(await since(9_000_000_000_000_000), []);
  });

  test('the log can be read by type', async () => {
    const start = await lastSequence();
    const sku = await shop.sells(10);
    await shop.pays(await shop.places({ [sku]: 1 }));
    const events = (await shop.get(`/v1/events?after=${start}&type=order.paid`)).body.data;
    assert.deepEqual(
      events.map((event) => event.type),
      ['order.paid'],
    );
  });

  test('stock that runs low, out and comes back says so once', async () => {
    const sku = await shop.sells(5, { low_stock_threshold: 2 });
    const start = await lastSequence();
    const types = async () => (await since(start)).filter((event) => event.data.sku === sku).map((event) => event.type);
    await shop.places({ [sku]: 2 });
    assert.deepEqual(await types(), []);
    await shop.places({ [sku]: 1 });
    assert.deepEqual(await types(), ['stock.low']);
    await shop.places({ [sku]: 1 });
    const last = await shop.places({ [sku]: 1 });
    assert.deepEqual(await types(), ['stock.low', 'stock.sold_out']);
    await shop.post('/v1/orders', order('c', { [sku]: 1 }), '409 insufficient_stock');
    await shop.post(`/v1/orders/${last.order_id}/cancel`, {}, 200);
    assert.deepEqual(await types(), ['stock.low', 'stock.sold_out', 'stock.back']);
    await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 10 }, 201);
    await shop.places({ [sku]: 10 });
    assert.deepEqual(await types(), ['stock.low', 'stock.sold_out', 'stock.back', 'stock.adjusted', 'stock.low']);
  });

  test('stock that an expired hold gives back says so', async () => {
    const sku = await shop.sells(1);
    const start = await lastSequence();
    await shop.expired(await shop.places({ [sku]: 1 }, { hold_seconds: 1 }));
    assert.deepEqual(
      (await since(start)).map((event) => event.type),
      ['order.created', 'stock.sold_out', 'order.expired', 'stock.back'],
    );
  });

  test('paying for what is held is no news about the stock', async () => {
    const sku = await shop.sells(1);
    const placed = await shop.places({ [sku]: 1 });
    const start = await lastSequence();
    await shop.pays(placed);
    assert.deepEqual(
      (await since(start)).map((event) => event.type),
      ['order.paid'],
    );
  });
});
