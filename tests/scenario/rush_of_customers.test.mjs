/* The heart of the matter: many customers, little stock. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Client } from './support/client.mjs';
import { newKey, order, tally, times, useShop } from './support/shop.mjs';

describe('a rush of customers', () => {
  const shop = useShop();

  /* Each customer on a connection of their own. */
  const customers = async (count, deed) => {
    const clients = Array.from({ length: count }, () => new Client(() => shop.server.url, { connections: 1 }));
    const answers = await Promise.all(clients.map((client, i) => deed(client, i)));
    clients.forEach((client) => client.close());
    return answers;
  };

  for (let round = 1; round <= 10; round += 1) {
    test(`of 100 customers for 50 units, exactly 50 get one (${round} of 10)`, async () => {
      const sku = await shop.sells(50);
      const answers = await customers(100, (client, i) =>
        client.post('/v1/orders', order(`c-${i}`, { [sku]: 1 }), undefined, { key: newKey() }),
      );
      assert.deepEqual(tally(answers), { 201: 50, '409 insufficient_stock': 50 });
      assert.equal(await shop.stock(sku), '50 on hand, 50 reserved');
      const placed = answers.filter((answer) => answer.status === 201).map((answer) => answer.body);
      assert.equal(new Set(placed.map((one) => one.order_id)).size, 50);
      await Promise.all(placed.map((one) => shop.pays(one)));
      assert.equal(await shop.stock(sku), '0 on hand, 0 reserved');
    });
  }

  test('the same without idempotency keys, and several units each', async () => {
    const sku = await shop.sells(100);
    const answers = await customers(100, (client, i) =>
      client.post('/v1/orders', order(`c-${i}`, { [sku]: 3 }), undefined),
    );
    assert.deepEqual(tally(answers), { 201: 33, '409 insufficient_stock': 67 });
    assert.equal(await shop.stock(sku), '100 on hand, 99 reserved');
  });

  test('baskets of two SKUs, in either order, are held whole or not at all', async () => {
    const [left, right] = [await shop.sells(30), await shop.sells(50)];
    const answers = await customers(100, (client, i) =>
      client.post(
        '/v1/orders',
        order(`c-${i}`, i % 2 === 0 ? { [left]: 1, [right]: 1 } : { [right]: 1, [left]: 1 }),
        undefined,
      ),
    );
    assert.deepEqual(tally(answers), { 201: 30, '409 insufficient_stock': 70 });
    assert.equal(await shop.stock(left), '30 on hand, 30 reserved');
    assert.equal(await shop.stock(right), '50 on hand, 30 reserved');
  });

  test('a customer with a purchase limit gets no more by asking at once from everywhere', async () => {
    const sku = await shop.sells(1000, { max_per_customer: 5 });
    const answers = await customers(100, (client, i) =>
      client.post('/v1/orders', order(`c-${i % 4}`, { [sku]: 1 }), undefined),
    );
    assert.deepEqual(tally(answers), { 201: 20, '409 purchase_limit': 80 });
  });

  test('paying, cancelling, expiring, restocking and ordering all at once add up', async () => {
    const sku = await shop.sells(40);
    const outcomes = await customers(60, async (client, i) => {
      const counted = { paid: 0, restocked: 0 };
      for (let round = 0; round < 8; round += 1) {
        const { status, body } = await client.post(
          '/v1/orders',
          order(`c-${i}`, { [sku]: 1 + (i % 3) }, { hold_seconds: 1 + (i % 2) }),
          undefined,
        );
        if (status === 409) {
          await client.post(`/v1/stock/${sku}/adjustments`, { delta: 1, reason: 'restock' }, 201);
          counted.restocked += 1;
        } else if ((i + round) % 3 === 0) {
          await client.post(`/v1/orders/${body.order_id}/cancel`, {}, undefined);
        } else if ((i + round) % 3 === 1) {
          await client.post(`/v1/orders/${body.order_id}/pay`, { payment_reference: newKey('pi') }, 200);
          counted.paid += 1 + (i % 3);
        }
      }
      return counted;
    });
    const sum = (name) => outcomes.reduce((total, counted) => total + counted[name], 0);
    const { body } = await shop.get(`/v1/stock/${sku}`);
    assert.equal(body.stock_quantity, 40 + sum('restocked') - sum('paid'));
    const drafts = await shop.all(`/v1/reservations?sku=${sku}&status=active`);
    const held = drafts.reduce((total, hold) => total + hold.quantity, 0);
    assert.ok(held >= (await shop.get(`/v1/stock/${sku}`)).body.reserved_quantity);
  });

  test('one order alone is not kept waiting for others', async () => {
    const sku = await shop.sells(1000);
    const durations = [];
    for (let i = 0; i < 50; i += 1) {
      const started = performance.now();
      await shop.places({ [sku]: 1 });
      durations.push(performance.now() - started);
    }
    const median = durations.sort((a, b) => a - b)[25];
    assert.ok(median < 100, `the median of 50 single orders is ${median.toFixed(1)} ms`);
  });

  test('stock that is handed back is sold again, until all of it is paid', async () => {
    const sku = await shop.sells(10);
    let paid = 0;
    await times(40, async (i) => {
      const { status, body } = await shop.post('/v1/orders', order(`c-${i}`, { [sku]: 1 }), undefined);
      if (status === 201 && i % 2 === 0) {
        await shop.post(`/v1/orders/${body.order_id}/cancel`, {}, 200);
      } else if (status === 201) {
        await shop.pays(body);
        paid += 1;
      }
    });
    assert.equal(await shop.stock(sku), `${10 - paid} on hand, 0 reserved`);
  });
});
