import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { order, sleep, Shop, times, until, untilTime, useShop } from './support/shop.mjs';

describe('the payment timeout', () => {
  const shop = useShop();

  test('an unpaid order expires by itself and gives its stock back', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 3 }, { hold_seconds: 1 });
    const seen = await shop.expired(placed);
    assert.deepEqual(
      [seen.status, seen.cancel_reason, seen.items[0].reservation, seen.version],
      ['expired', 'payment_timeout', 'released', 2],
    );
    assert.equal(await shop.stock(sku), '5 on hand, 0 reserved');
    const events = await shop.all(`/v1/orders/${placed.order_id}/events`);
    assert.deepEqual(
      events.map((event) => event.type),
      ['order.created', 'order.expired'],
    );
  });

  test('when idle it is late by less than 50 ms', async () => {
    const sku = await shop.sells(50);
    const lateness = [];
    for (let i = 0; i < 8; i += 1) {
      const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
      lateness.push(
        (async () => {
          await sleep(Date.parse(placed.expires_at) + 300 - Date.now());
          const [, event] = await shop.all(`/v1/orders/${placed.order_id}/events`);
          assert.equal(event?.type, 'order.expired', 'not released 300 ms after its deadline');
          return Date.parse(event.created_at) - Date.parse(placed.expires_at);
        })(),
      );
      await sleep(130);
    }
    const sorted = (await Promise.all(lateness)).sort((a, b) => a - b);
    assert.ok(sorted[0] >= 0, `released before its deadline: ${sorted}`);
    assert.ok(sorted[4] <= 50, `late by (ms): ${sorted}`);
  });

  test('thousands that fall due together are each released exactly once', async () => {
    const sku = await shop.sells(3000);
    const bodies = await times(3, () =>
      shop.post(
        '/v1/orders/batch',
        { orders: Array.from({ length: 1000 }, (_, i) => order(`c-${i}`, { [sku]: 1 }, { hold_seconds: 1 })) },
        200,
      ),
    );
    const placed = bodies.flatMap(({ body }) => body.results.map((result) => result.order));
    assert.equal(await shop.stock(sku), '3000 on hand, 3000 reserved');
    await until('all stock is back', async () => (await shop.stock(sku)) === '3000 on hand, 0 reserved', 8000);
    const expired = await shop.all(`/v1/orders?sku=${sku}&status=expired`);
    assert.equal(expired.length, 3000);
    const events = (await shop.all('/v1/events?type=order.expired')).map((event) => event.data.order_id);
    const mine = new Set(placed.map((one) => one.order_id));
    const counted = events.filter((id) => mine.has(id));
    assert.equal(counted.length, 3000);
    assert.equal(new Set(counted).size, 3000);
  });

  test('no order is refused for stock that only overdue holds tie up', async () => {
    const sku = await shop.sells(2000);
    const { body } = await shop.post(
      '/v1/orders/batch',
      { orders: Array.from({ length: 1000 }, (_, i) => order(`c-${i}`, { [sku]: 2 }, { hold_seconds: 1 })) },
      200,
    );
    const deadlines = body.results.map((result) => result.order.expires_at).sort();
    await shop.post('/v1/orders', order('early', { [sku]: 1 }), '409 insufficient_stock');
    await untilTime(deadlines.at(-1));
    const answers = await times(50, (i) => shop.post('/v1/orders', order(`late-${i}`, { [sku]: 40 }), undefined));
    assert.deepEqual(
      answers.map((answer) => answer.status),
      Array(50).fill(201),
    );
    assert.equal(await shop.stock(sku), '2000 on hand, 2000 reserved');
  });

  test('nor a batch, nor an adjustment', async () => {
    const sku = await shop.sells(1000);
    const { body } = await shop.post(
      '/v1/orders/batch',
      { orders: Array.from({ length: 1000 }, (_, i) => order(`c-${i}`, { [sku]: 1 }, { hold_seconds: 1 })) },
      200,
    );
    await untilTime(
      body.results
        .map((result) => result.order.expires_at)
        .sort()
        .at(-1),
    );
    const [batch, adjusted] = await Promise.all([
      shop.post('/v1/orders/batch', { orders: [order('b', { [sku]: 400 }), order('b', { [sku]: 100 })] }, 200),
      shop.post(`/v1/stock/${sku}/adjustments`, { delta: -500 }, 201),
    ]);
    assert.deepEqual(
      batch.body.results.map((result) => result.status),
      [201, 201],
    );
    assert.equal(adjusted.body.stock_quantity, 500);
    assert.equal(await shop.stock(sku), '500 on hand, 500 reserved');
  });

  test('nor for a purchase limit that only overdue holds use up', async () => {
    const sku = await shop.sells(10, { max_per_customer: 2 });
    const placed = await shop.places({ [sku]: 2 }, { hold_seconds: 1 });
    await untilTime(placed.expires_at);
    await shop.places({ [sku]: 2 });
  });

  test('payments that race the deadline are decided once', async () => {
    const sku = await shop.sells(60);
    const placed = await times(60, () => shop.places({ [sku]: 1 }, { hold_seconds: 1 }));
    await Promise.all(
      placed.map(async (one, i) => {
        await sleep(Date.parse(one.expires_at) - Date.now() + (i - 30) * 2);
        const paid = await shop.pays(one);
        const types = await shop.eventTypes(one);
        assert.deepEqual(
          types,
          paid.revived ? ['order.created', 'order.expired', 'order.paid'] : ['order.created', 'order.paid'],
        );
      }),
    );
    assert.equal(await shop.stock(sku), '0 on hand, 0 reserved');
  });
});

describe('the payment timeout across restarts', () => {
  const withServer = async (stop) => {
    const shop = new Shop();
    await shop.start();
    const sku = await shop.sells(10);
    const due = await shop.places({ [sku]: 3 }, { hold_seconds: 1 });
    const later = await shop.places({ [sku]: 2 }, { hold_seconds: 3 });
    await stop(shop);
    await untilTime(due.expires_at);
    await sleep(200);
    await shop.start();
    await until('the overdue hold is released', async () => (await shop.sees(due)).status === 'expired', 500);
    assert.equal((await shop.sees(later)).status, 'draft');
    assert.equal(await shop.stock(sku), '10 on hand, 2 reserved');
    await untilTime(later.expires_at);
    await shop.expired(later, 500);
    assert.deepEqual(await shop.eventTypes(due), ['order.created', 'order.expired']);
    await shop.stop();
    shop.close();
    await shop.audit();
  };

  test('a hold that fell due while the server was down is released at start', () => withServer((shop) => shop.stop()));
  test('the same after a crash', () => withServer((shop) => shop.kill()));
});
