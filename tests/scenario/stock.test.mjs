import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { times, useShop } from './support/shop.mjs';

describe('stock adjustments', () => {
  const shop = useShop();
  const adjust = async (sku, body, expected = 201, options) =>
    (await shop.post(`/v1/stock/${sku}/adjustments`, body, expected, options)).body;

  test('a delta moves the stock and answers with its movement', async () => {
    const sku = await shop.sells(5);
    const movement = await adjust(sku, { delta: 10, reason: 'restock', reference: 'po-1' });
    assert.deepEqual(
      [movement.sku, movement.delta, movement.reason, movement.reference, movement.order_id, movement.stock_quantity],
      [sku, 10, 'restock', 'po-1', null, 15],
    );
    assert.equal(await shop.stock(sku), '15 on hand, 0 reserved');
    assert.equal((await adjust(sku, { delta: -15 })).reason, 'correction');
    assert.equal(await shop.stock(sku), '0 on hand, 0 reserved');
  });

  test('every reason that a client may give', async () => {
    const sku = await shop.sells(5);
    for (const reason of ['restock', 'correction', 'return', 'damage', 'other']) {
      assert.equal((await adjust(sku, { delta: 1, reason })).reason, reason);
    }
    for (const reason of ['initial', 'sale', 'theft', '', 7]) {
      await adjust(sku, { delta: 1, reason }, '422 invalid_request');
    }
  });

  test('set_to is a compare-and-swap', async () => {
    const sku = await shop.sells(37);
    assert.equal((await adjust(sku, { set_to: 40, expected: 37 })).delta, 3);
    const problem = await adjust(sku, { set_to: 50, expected: 37 }, '409 stock_changed');
    assert.deepEqual([problem.stock_quantity, problem.reserved_quantity, problem.available_quantity], [40, 0, 40]);
    assert.equal((await adjust(sku, { set_to: 0, expected: 40 })).stock_quantity, 0);
  });

  test('a count that finds what was expected is recorded too', async () => {
    const sku = await shop.sells(40);
    const movement = await adjust(sku, { set_to: 40, expected: 40 });
    assert.deepEqual([movement.delta, movement.stock_quantity], [0, 40]);
  });

  test('of many counts with one expectation, one wins', async () => {
    const sku = await shop.sells(10);
    const answers = await times(20, (i) =>
      shop.post(`/v1/stock/${sku}/adjustments`, { set_to: 100 + i, expected: 10 }, undefined),
    );
    assert.equal(answers.filter((answer) => answer.status === 201).length, 1);
    assert.equal(answers.filter((answer) => answer.body.code === 'stock_changed').length, 19);
  });

  test('stock never falls below what is reserved', async () => {
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 4 });
    const problem = await adjust(sku, { delta: -7 }, '409 stock_is_reserved');
    assert.deepEqual([problem.stock_quantity, problem.reserved_quantity, problem.available_quantity], [10, 4, 6]);
    await adjust(sku, { set_to: 3, expected: 10 }, '409 stock_is_reserved');
    await adjust(sku, { delta: -6 });
    assert.equal(await shop.stock(sku), '4 on hand, 4 reserved');
  });

  test('stock never falls below zero', async () => {
    const sku = await shop.sells(3);
    await adjust(sku, { delta: -4 }, '409 stock_is_reserved');
    assert.equal(await shop.stock(sku), '3 on hand, 0 reserved');
  });

  test('parallel deltas all count', async () => {
    const sku = await shop.sells(0);
    await times(50, () => adjust(sku, { delta: 2 }));
    await times(50, () => adjust(sku, { delta: -1 }));
    assert.equal(await shop.stock(sku), '50 on hand, 0 reserved');
  });

  test('what is no adjustment is refused', async () => {
    const sku = await shop.sells(3);
    for (const body of [
      {},
      { delta: 0 },
      { delta: 1.5 },
      { delta: '1' },
      { delta: true },
      { delta: null },
      { set_to: 4 },
      { expected: 3 },
      { set_to: -1, expected: 3 },
      { delta: 1, set_to: 4, expected: 3 },
      { delta: 9e15 },
      { delta: 1, reference: '' },
      { delta: 1, reference: 'x'.repeat(256) },
      { delta: 1, reference: 'a\u0001b' },
      [],
      'x',
      null,
    ]) {
      await adjust(sku, body, '422 invalid_request');
    }
    await adjust(sku, { delta: 1, note: 'x' }, '422 unknown_field');
    await adjust('nonsense', { delta: 1 }, '404 unknown_sku');
    assert.equal(await shop.stock(sku), '3 on hand, 0 reserved');
  });

  test('stock has an upper bound', async () => {
    const sku = await shop.sells(1_000_000_000_000);
    await adjust(sku, { delta: 1 }, '422 stock_too_large');
    assert.equal(await shop.stock(sku), '1000000000000 on hand, 0 reserved');
  });

  test('the ledger tells how the stock came about, oldest first', async () => {
    const sku = await shop.sells(10);
    await adjust(sku, { delta: 5, reason: 'restock', reference: 'po-9' });
    const placed = await shop.places({ [sku]: 3 });
    await shop.pays(placed);
    const cancelled = await shop.places({ [sku]: 1 });
    await shop.post(`/v1/orders/${cancelled.order_id}/cancel`, {}, 200);
    const ledger = await shop.all(`/v1/stock/${sku}/movements`);
    assert.deepEqual(
      ledger.map((row) => [row.delta, row.reason, row.reference, row.order_id, row.stock_quantity]),
      [
        [10, 'initial', null, null, 10],
        [5, 'restock', 'po-9', null, 15],
        [-3, 'sale', null, placed.order_id, 12],
      ],
    );
    await shop.get('/v1/stock/nonsense/movements', '404 unknown_sku');
  });

  test('a retried adjustment counts once', async () => {
    const sku = await shop.sells(1);
    const key = `adjust-${sku}`;
    const first = await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 5 }, 201, { key });
    const again = await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 5 }, 201, { key });
    assert.equal(again.headers['idempotency-replayed'], 'true');
    assert.deepEqual(again.body, first.body);
    assert.equal(await shop.stock(sku), '6 on hand, 0 reserved');
  });
});
