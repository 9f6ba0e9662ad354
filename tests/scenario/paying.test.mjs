import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { euro, newKey, times, until, untilTime, useShop } from './support/shop.mjs';

describe('paying', () => {
  const shop = useShop();
  const pay = async ({ order_id: id }, body, expected, options) =>
    (await shop.post(`/v1/orders/${id}/pay`, body, expected, options)).body;
  const refund = (reference, reason, amount = euro(1999)) => ({
    payment_reference: reference,
    status: 'refund_due',
    amount,
    reason,
  });
  const without = ({ created_at, ...rest }) => rest;

  /* An expired order, whose stock somebody else may have taken since. */
  const expired = async (stockIsGone) => {
    const sku = await shop.sells(1);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    await shop.expired(placed);
    if (stockIsGone) {
      await shop.places({ [sku]: 1 }, { customer: 'c-2' });
    }
    return { sku, placed };
  };

  test('a draft is paid, and its hold becomes a sale', async () => {
    const sku = await shop.sells(10);
    const placed = await shop.places({ [sku]: 2 });
    const reference = newKey('pi');
    const paid = await pay(placed, { payment_reference: reference, amount: euro(3998) }, 200);
    assert.deepEqual([paid.status, paid.version, paid.items[0].reservation], ['paid', 2, 'converted']);
    assert.deepEqual(paid.payments.map(without), [
      { payment_reference: reference, status: 'accepted', amount: euro(3998), reason: null },
    ]);
    assert.equal(paid.revived, undefined);
    assert.deepEqual(await shop.sees(placed), paid);
    assert.equal(await shop.stock(sku), '8 on hand, 0 reserved');
    const sales = (await shop.all(`/v1/stock/${sku}/movements`)).filter((row) => row.reason === 'sale');
    assert.deepEqual(
      sales.map((row) => [row.delta, row.order_id, row.stock_quantity]),
      [[-2, placed.order_id, 8]],
    );
    const { body: holds } = await shop.get(`/v1/reservations?sku=${sku}`);
    assert.deepEqual(
      holds.data.map((hold) => hold.status),
      ['converted'],
    );
    assert.deepEqual(await shop.eventTypes(placed), ['order.created', 'order.paid']);
  });

  test('every line has a sale movement of its own', async () => {
    const sku = await shop.sells(10);
    const { body: placed } = await shop.post(
      '/v1/orders',
      {
        customer_id: 'c-1',
        items: [
          { sku, quantity: 1 },
          { sku, quantity: 3 },
        ],
      },
      201,
    );
    await shop.pays(placed);
    const sales = (await shop.all(`/v1/stock/${sku}/movements`)).filter((row) => row.reason === 'sale');
    assert.deepEqual(
      sales.map((row) => [row.delta, row.stock_quantity]),
      [
        [-1, 9],
        [-3, 6],
      ],
    );
  });

  test('the same reference again has the same answer, and no further effect', async () => {
    const sku = await shop.sells(10);
    const placed = await shop.places({ [sku]: 1 });
    const reference = newKey('pi');
    const first = await pay(placed, { payment_reference: reference }, 200);
    assert.deepEqual(await pay(placed, { payment_reference: reference, amount: euro(1999) }, 200), first);
    assert.deepEqual(
      await pay(placed, { payment_reference: reference, amount: euro(7) }, 200),
      first,
      'a reference is judged once, whatever amount is named later',
    );
    assert.deepEqual(await shop.eventTypes(placed), ['order.created', 'order.paid']);
  });

  test('a second payment is recorded and due for refund', async () => {
    const sku = await shop.sells(10);
    const placed = await shop.places({ [sku]: 1 });
    await shop.pays(placed);
    const reference = newKey('pi');
    const problem = await pay(placed, { payment_reference: reference }, '409 already_paid');
    assert.deepEqual(without(problem.payment), refund(reference, 'already_paid'));
    assert.equal(problem.order.status, 'paid');
    assert.equal(problem.order.payments.length, 2);
    assert.deepEqual((await shop.sees(placed)).payments, problem.order.payments);
    assert.deepEqual(await pay(placed, { payment_reference: reference }, '409 already_paid'), problem);
    assert.deepEqual(await shop.eventTypes(placed), ['order.created', 'order.paid', 'payment.refund_due']);
    assert.equal(await shop.stock(sku), '9 on hand, 0 reserved');
  });

  test('a late payment revives the order where the stock is still there', async () => {
    const { sku, placed } = await expired(false);
    const paid = await pay(placed, { payment_reference: newKey('pi') }, 200);
    assert.deepEqual(
      [paid.status, paid.revived, paid.cancel_reason, paid.items[0].reservation],
      ['paid', true, undefined, 'converted'],
    );
    assert.equal((await shop.sees(placed)).revived, true);
    assert.equal(await shop.stock(sku), '0 on hand, 0 reserved');
    const events = await shop.all(`/v1/orders/${placed.order_id}/events`);
    assert.deepEqual(
      events.map((event) => event.type),
      ['order.created', 'order.expired', 'order.paid'],
    );
    assert.equal(events[2].data.revived, true);
    const again = await pay(placed, { payment_reference: newKey('pi') }, '409 already_paid');
    assert.equal(again.order.revived, true);
  });

  test('a late payment is due for refund where the stock is gone', async () => {
    const { sku, placed } = await expired(true);
    const reference = newKey('pi');
    const problem = await pay(placed, { payment_reference: reference }, '409 paid_after_expiry');
    assert.deepEqual(without(problem.payment), refund(reference, 'paid_after_expiry'));
    assert.equal(problem.order.status, 'expired');
    assert.equal((await shop.sees(placed)).payments.length, 1);
    assert.equal(await shop.stock(sku), '1 on hand, 1 reserved');
    await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 5 }, 201);
    await pay(placed, { payment_reference: reference }, '409 paid_after_expiry');
    assert.equal((await pay(placed, { payment_reference: newKey('pi') }, 200)).revived, true);
  });

  test('a payment at the deadline is late, whether or not the sweep was there before it', async () => {
    const skus = await times(20, () => shop.sells(1));
    const placed = await times(20, (i) => shop.places({ [skus[i]]: 1 }, { hold_seconds: 1 }));
    await Promise.all(
      placed.map(async (one) => {
        await untilTime(one.expires_at);
        assert.equal((await shop.pays(one)).revived, true);
        assert.deepEqual(await shop.eventTypes(one), ['order.created', 'order.expired', 'order.paid']);
      }),
    );
  });

  test('a late payment is not measured against the purchase limit', async () => {
    const sku = await shop.sells(5, { max_per_customer: 1 });
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    await shop.expired(placed);
    await shop.pays(await shop.places({ [sku]: 1 }));
    assert.equal((await shop.pays(placed)).revived, true);
  });

  test('a payment of a cancelled order is due for refund', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 });
    await shop.post(`/v1/orders/${placed.order_id}/cancel`, { reason: 'changed my mind' }, 200);
    const reference = newKey('pi');
    const problem = await pay(placed, { payment_reference: reference }, '409 order_cancelled');
    assert.deepEqual(without(problem.payment), refund(reference, 'order_cancelled'));
    assert.deepEqual([problem.order.status, problem.order.cancel_reason], ['cancelled', 'changed my mind']);
    assert.equal(await shop.stock(sku), '5 on hand, 0 reserved');
  });

  test('a payment of another amount is due for refund, and the order as it was', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 });
    const reference = newKey('pi');
    for (const amount of [euro(1998), euro(2000), euro(0), { amount: 1999, currency: 'USD' }]) {
      const own = newKey('pi');
      const problem = await pay(placed, { payment_reference: own, amount }, '422 amount_mismatch');
      assert.deepEqual(without(problem.payment), refund(own, 'amount_mismatch', amount));
      assert.equal(problem.order.status, 'draft');
    }
    const first = await pay(placed, { payment_reference: reference, amount: euro(1) }, '422 amount_mismatch');
    const again = await pay(placed, { payment_reference: reference, amount: euro(1999) }, '422 amount_mismatch');
    assert.deepEqual(again.payment, first.payment, 'a reference is judged once');
    const paid = await shop.pays(placed);
    assert.equal(paid.status, 'paid');
    assert.deepEqual(
      paid.payments.map((payment) => payment.status),
      [...Array(5).fill('refund_due'), 'accepted'],
    );
    assert.equal(await shop.stock(sku), '4 on hand, 0 reserved');
  });

  test('the amount is judged before the state, the reference before the amount', async () => {
    const sku = await shop.sells(5);
    const [one, two] = [await shop.places({ [sku]: 1 }), await shop.places({ [sku]: 1 })];
    const reference = newKey('pi');
    await pay(one, { payment_reference: reference }, 200);
    await pay(one, { payment_reference: newKey('pi'), amount: euro(1) }, '422 amount_mismatch');
    await pay(two, { payment_reference: reference, amount: euro(1) }, '409 payment_reference_used');
    await shop.post(`/v1/orders/${two.order_id}/cancel`, undefined, 200);
    await pay(two, { payment_reference: newKey('pi'), amount: euro(1) }, '422 amount_mismatch');
    await pay(two, { payment_reference: reference }, '409 payment_reference_used');
  });

  test('a reference that another order has is refused, and nothing recorded', async () => {
    const sku = await shop.sells(5);
    const [one, two] = [await shop.places({ [sku]: 1 }), await shop.places({ [sku]: 1 })];
    const reference = newKey('pi');
    await shop.pays(one, reference);
    const problem = await pay(two, { payment_reference: reference }, '409 payment_reference_used');
    assert.equal(problem.recorded_on_order_id, one.order_id);
    assert.deepEqual((await shop.sees(two)).payments, []);
    await shop.pays(two);
  });

  test('a reference that was due for refund belongs to its order too', async () => {
    const sku = await shop.sells(5);
    const [one, two] = [await shop.places({ [sku]: 1 }), await shop.places({ [sku]: 1 })];
    const reference = newKey('pi');
    await pay(one, { payment_reference: reference, amount: euro(5) }, '422 amount_mismatch');
    await pay(two, { payment_reference: reference }, '409 payment_reference_used');
  });

  test('of many payments that race for one order, one is accepted and all are recorded', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 });
    const answers = await times(20, (i) =>
      shop.post(`/v1/orders/${placed.order_id}/pay`, { payment_reference: `race-${placed.order_id}-${i}` }, undefined),
    );
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
    assert.equal(answers.filter((answer) => answer.body.code === 'already_paid').length, 19);
    const { payments } = await shop.sees(placed);
    assert.equal(payments.filter((payment) => payment.status === 'accepted').length, 1);
    assert.equal(payments.filter((payment) => payment.status === 'refund_due').length, 19);
    assert.equal(await shop.stock(sku), '4 on hand, 0 reserved');
  });

  test('of payment and cancellation that race, one wins and the other is told', async () => {
    const sku = await shop.sells(30);
    await times(30, async () => {
      const placed = await shop.places({ [sku]: 1 });
      const path = `/v1/orders/${placed.order_id}`;
      const [paid, cancelled] = await Promise.all([
        shop.post(`${path}/pay`, { payment_reference: newKey('pi') }, undefined),
        shop.post(`${path}/cancel`, {}, undefined),
      ]);
      if (paid.status === 200) {
        assert.equal(cancelled.body.code, 'order_already_paid');
      } else {
        assert.deepEqual([paid.body.code, cancelled.status], ['order_cancelled', 200]);
      }
    });
  });

  test('of payments that race for the last unit of expired orders, one is accepted', async () => {
    const sku = await shop.sells(10);
    const placed = await times(10, () => shop.places({ [sku]: 1 }, { hold_seconds: 1 }));
    await Promise.all(placed.map((one) => shop.expired(one)));
    await shop.post(`/v1/stock/${sku}/adjustments`, { set_to: 1, expected: 10 }, 201);
    const answers = await Promise.all(
      placed.map((one) => shop.post(`/v1/orders/${one.order_id}/pay`, { payment_reference: newKey('pi') }, undefined)),
    );
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
    assert.equal(answers.filter((answer) => answer.body.code === 'paid_after_expiry').length, 9);
    assert.equal(await shop.stock(sku), '0 on hand, 0 reserved');
  });

  test('what is no payment is refused', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 });
    for (const body of [
      {},
      { payment_reference: '' },
      { payment_reference: 'x'.repeat(256) },
      { payment_reference: 7 },
      { payment_reference: 'a\u0001' },
      { payment_reference: 'pi', amount: 1999 },
      { payment_reference: 'pi', amount: euro(-1) },
      { payment_reference: 'pi', amount: { amount: 1999, currency: 'XXX' } },
      [],
    ]) {
      await pay(placed, body, '422 invalid_request');
    }
    await pay(placed, { payment_reference: 'pi', method: 'card' }, '422 unknown_field');
    await pay(placed, undefined, '400 invalid_json');
    assert.deepEqual((await shop.sees(placed)).payments, []);
    assert.equal((await pay(placed, { payment_reference: 'x'.repeat(255) }, 200)).status, 'paid');
  });

  test('an order with a payment that is due for refund still expires', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    await pay(placed, { payment_reference: newKey('pi'), amount: euro(5) }, '422 amount_mismatch');
    await shop.expired(placed);
    await until('the stock is back', async () => (await shop.stock(sku)) === '5 on hand, 0 reserved');
  });
});
