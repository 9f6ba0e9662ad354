import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { sleep, untilTime, useShop } from './support/shop.mjs';

describe('cancelling', () => {
  const shop = useShop();
  const cancel = async ({ order_id: id }, body, expected = 200) =>
    (await shop.post(`/v1/orders/${id}/cancel`, body, expected)).body;

  test('the hold is released at once', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 3 });
    const cancelled = await cancel(placed, { reason: 'changed my mind' });
    assert.deepEqual(
      [cancelled.status, cancelled.cancel_reason, cancelled.version, cancelled.items[0].reservation],
      ['cancelled', 'changed my mind', 2, 'released'],
    );
    assert.equal(await shop.stock(sku), '5 on hand, 0 reserved');
    assert.deepEqual(await shop.sees(placed), { payments: [], ...cancelled });
    const events = await shop.all(`/v1/orders/${placed.order_id}/events`);
    assert.deepEqual(
      events.map((event) => event.type),
      ['order.created', 'order.cancelled'],
    );
  });

  test('cancelling again has the same answer, and the first reason stays', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 });
    const first = await cancel(placed, { reason: 'first' });
    assert.deepEqual(await cancel(placed, { reason: 'second' }), first);
    assert.deepEqual(await shop.eventTypes(placed), ['order.created', 'order.cancelled']);
  });

  test('neither body nor reason is needed', async () => {
    const sku = await shop.sells(5);
    assert.equal((await cancel(await shop.places({ [sku]: 1 }), undefined)).status, 'cancelled');
    assert.equal((await cancel(await shop.places({ [sku]: 1 }), {})).cancel_reason, undefined);
    const placed = await shop.places({ [sku]: 1 });
    await cancel(placed, { reason: 'x'.repeat(501) }, '422 invalid_request');
    await cancel(placed, { reason: 7 }, '422 invalid_request');
    await cancel(placed, { why: 'x' }, '422 unknown_field');
    assert.equal((await cancel(placed, { reason: 'x'.repeat(500) })).cancel_reason.length, 500);
  });

  test('what is sold or expired cannot be cancelled', async () => {
    const sku = await shop.sells(5);
    const paid = await shop.places({ [sku]: 1 });
    await shop.pays(paid);
    await cancel(paid, {}, '409 order_already_paid');
    const late = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    await untilTime(late.expires_at);
    await cancel(late, {}, '409 order_expired');
    assert.equal((await shop.expired(late)).cancel_reason, 'payment_timeout');
  });

  test('a cancelled order never expires', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    await cancel(placed, {});
    await sleep(1300);
    assert.equal((await shop.sees(placed)).status, 'cancelled');
    assert.equal(await shop.stock(sku), '5 on hand, 0 reserved');
  });
});

describe('extending a hold', () => {
  const shop = useShop({ parameters: ['--max-hold', '100'] });
  const extend = async ({ order_id: id }, seconds, expected = 200) =>
    (await shop.post(`/v1/orders/${id}/extend`, { seconds }, expected)).body;
  const lasts = ({ created_at: from, expires_at: to }) => (Date.parse(to) - Date.parse(from)) / 1000;

  test('seconds are added to the present deadline', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 10 });
    const extended = await extend(placed, 30);
    assert.deepEqual([lasts(extended), extended.version, extended.status], [40, 2, 'draft']);
    assert.equal((await shop.sees(placed)).expires_at, extended.expires_at);
    const { body: holds } = await shop.get(`/v1/reservations?sku=${sku}`);
    assert.equal(holds.data[0].expires_at, extended.expires_at);
    const events = await shop.all(`/v1/orders/${placed.order_id}/events`);
    assert.equal(events[1].type, 'order.extended');
    assert.equal(events[1].data.expires_at, extended.expires_at);
  });

  test("the server's longest hold counts from creation", async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 60 });
    await extend(placed, 41, '409 hold_limit');
    assert.equal(lasts(await extend(placed, 40)), 100);
    await extend(placed, 1, '409 hold_limit');
    await shop.post(
      '/v1/orders',
      { customer_id: 'c', items: [{ sku, quantity: 1 }], hold_seconds: 101 },
      '422 invalid_request',
    );
  });

  test('only a live hold can be extended', async () => {
    const sku = await shop.sells(5);
    const paid = await shop.places({ [sku]: 1 }, { hold_seconds: 10 });
    await shop.pays(paid);
    await extend(paid, 1, '409 order_not_draft');
    const cancelled = await shop.places({ [sku]: 1 }, { hold_seconds: 10 });
    await shop.post(`/v1/orders/${cancelled.order_id}/cancel`, {}, 200);
    await extend(cancelled, 1, '409 order_not_draft');
    const late = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    await untilTime(late.expires_at);
    await extend(late, 30, '409 order_not_draft');
    await shop.expired(late);
  });

  test('an extended hold outlives its first deadline and expires at its second', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    const extended = await extend(placed, 1);
    await sleep(Date.parse(placed.expires_at) + 400 - Date.now());
    assert.equal((await shop.sees(placed)).status, 'draft');
    await untilTime(extended.expires_at);
    await shop.expired(placed, 1000);
    assert.deepEqual(await shop.eventTypes(placed), ['order.created', 'order.extended', 'order.expired']);
  });

  test("a hold defaults to the server's longest where that is shorter", async () => {
    const sku = await shop.sells(5);
    assert.equal(lasts(await shop.places({ [sku]: 1 })), 100);
  });

  test('what is no extension is refused', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 10 });
    for (const seconds of [0, -1, 1.5, '1', null, undefined, 604801, 1e15]) {
      await extend(placed, seconds, '422 invalid_request');
    }
    await shop.post(`/v1/orders/${placed.order_id}/extend`, { seconds: 1, until: 'x' }, '422 unknown_field');
  });
});
