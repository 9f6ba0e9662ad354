/* What may happen once is asked of two servers at the same moment: each has read that it has not happened, and one of
 * them has to find out. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { euro, newKey, newSku, order, tally, times, useShops } from './support/shop.mjs';

describe('at two servers at once', () => {
  const [one, other] = useShops(2);
  const either = (i) => (i % 2 === 0 ? one : other);

  test('paid at both at once by two references: one is accepted, the other is to be refunded', async () => {
    const sku = await one.sells(50);
    const placed = await times(25, (i) => either(i).places({ [sku]: 1 }));
    for (const { order_id: id } of placed) {
      const answers = await times(2, (i) =>
        either(i).post(`/v1/orders/${id}/pay`, { payment_reference: newKey('pi') }, undefined),
      );
      assert.deepEqual(tally(answers), { 200: 1, '409 already_paid': 1 });
    }
    assert.equal(await one.stock(sku), '25 on hand, 0 reserved');
  });

  test('a key that is sent to both at once has one effect', async () => {
    const sku = await one.sells(1000);
    for (let i = 0; i < 30; i += 1) {
      const key = newKey('twins');
      const body = order('c-twins', { [sku]: 1 });
      const answers = await times(4, (n) => either(n).post('/v1/orders', body, 201, { key }));
      assert.equal(new Set(answers.map((answer) => answer.body.order_id)).size, 1, `${key} has several orders`);
      assert.equal(answers.filter((answer) => answer.headers['idempotency-replayed'] === undefined).length, 1);
    }
    assert.equal(await one.stock(sku), '1000 on hand, 30 reserved');
  });

  test('a reference that is sent to both at once for two orders is recorded once', async () => {
    const sku = await one.sells(100);
    for (let i = 0; i < 10; i += 1) {
      const placed = await times(2, (n) => either(n).places({ [sku]: 1 }));
      const reference = newKey('pi');
      const answers = await times(2, (n) =>
        either(n).post(`/v1/orders/${placed[n].order_id}/pay`, { payment_reference: reference }, undefined),
      );
      assert.deepEqual(tally(answers), { 200: 1, '409 payment_reference_used': 1 });
    }
  });

  test('an order is paid and cancelled: one of them wins', async () => {
    const sku = await one.sells(30);
    for (let i = 0; i < 20; i += 1) {
      const placed = await either(i).places({ [sku]: 1 });
      const path = `/v1/orders/${placed.order_id}`;
      const answers = await Promise.all([
        one.post(`${path}/pay`, { payment_reference: newKey('pi') }, undefined),
        other.post(`${path}/cancel`, {}, undefined),
      ]);
      const { status } = await one.sees(placed);
      const refusal = status === 'paid' ? '409 order_already_paid' : '409 order_cancelled';
      assert.deepEqual(tally(answers), { 200: 1, [refusal]: 1 });
    }
  });

  test('an order is extended many times: every extension counts', async () => {
    const placed = await one.places({ [await one.sells(1)]: 1 }, { hold_seconds: 100 });
    await times(20, (i) => either(i).post(`/v1/orders/${placed.order_id}/extend`, { seconds: 10 }, 200));
    const { expires_at: end } = await other.sees(placed);
    assert.equal(Date.parse(end) - Date.parse(placed.expires_at), 200_000);
  });

  test('what one customer may have is counted over both', async () => {
    for (let i = 0; i < 15; i += 1) {
      const sku = await one.sells(100, { max_per_customer: 2 });
      const answers = await times(6, (n) => either(n).post('/v1/orders', order('greedy', { [sku]: 1 }), undefined));
      assert.deepEqual(tally(answers), { 201: 2, '409 purchase_limit': 4 });
    }
  });

  test('a SKU is made once', async () => {
    for (let i = 0; i < 10; i += 1) {
      const product = { title: 'Twice', sku: newSku('twice'), price: euro(1) };
      const answers = await times(4, (n) => either(n).post('/v1/products', product, undefined));
      assert.deepEqual(tally(answers), { 201: 1, '409 sku_exists': 3 });
    }
  });

  test('stock is counted: of two that found the same number before, one counts', async () => {
    const sku = await one.sells(10);
    for (let i = 0; i < 10; i += 1) {
      const count = { set_to: 11 + i, expected: 10 + i };
      const answers = await times(4, (n) => either(n).post(`/v1/stock/${sku}/adjustments`, count, undefined));
      assert.deepEqual(tally(answers), { 201: 1, '409 stock_changed': 3 });
    }
  });

  test('a variant is changed by two who saw the same version: one of them has to look again', async () => {
    const sku = await one.sells(10);
    for (let i = 0; i < 10; i += 1) {
      const seen = await either(i).get(`/v1/variants/${sku}`);
      const headers = { 'If-Match': seen.headers.etag };
      const answers = await times(2, (n) =>
        either(n).patch(`/v1/variants/${sku}`, { price: euro(100 * i + n) }, undefined, { headers }),
      );
      assert.deepEqual(tally(answers), { 200: 1, '412 version_mismatch': 1 });
    }
  });

  test('the last unit of each of two SKUs is wanted by two carts, in either order: no cart gets a half', async () => {
    for (let i = 0; i < 10; i += 1) {
      const [a, b] = [await one.sells(1), await one.sells(1)];
      const answers = await Promise.all([
        one.post('/v1/orders', order('c-1', { [a]: 1, [b]: 1 }), undefined),
        other.post('/v1/orders', order('c-2', { [b]: 1, [a]: 1 }), undefined),
      ]);
      assert.deepEqual(tally(answers), { 201: 1, '409 insufficient_stock': 1 });
      assert.deepEqual([await one.stock(a), await other.stock(b)], Array(2).fill('1 on hand, 1 reserved'));
    }
  });
});
