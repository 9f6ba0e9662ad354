/* kill -9 in the middle of a rush: what was answered with success is still there, what was not has one effect at most,
 * and all of it adds up. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Client, ConnectionLost } from './support/client.mjs';
import { newKey, order, Shop, sleep } from './support/shop.mjs';

const CONNECTIONS = 20;

/* A customer orders and pays until the connection is lost; `seen` keeps what the server said. */
async function shopUntilLost(client, customer, sku, seen) {
  try {
    for (;;) {
      const request = { key: newKey('crash'), body: order(customer, { [sku]: 1 }) };
      seen.unanswered.set(request.key, request);
      const { status, body } = await client.post('/v1/orders', request.body, undefined, { key: request.key });
      seen.unanswered.delete(request.key);
      assert.equal(status, 201);
      seen.placed.set(body.order_id, { ...request, answer: body });
      if (seen.placed.size % 3 === 0) {
        const reference = newKey('pi');
        await client.post(`/v1/orders/${body.order_id}/pay`, { payment_reference: reference }, 200);
        seen.paid.set(body.order_id, reference);
      }
    }
  } catch (error) {
    if (!(error instanceof ConnectionLost)) {
      throw error;
    }
  }
}

describe('kill -9 in the middle of a rush', () => {
  for (const afterMs of [60, 250, 500, 800, 1100]) {
    test(`after ${afterMs} ms`, { timeout: 60_000 }, async () => {
      const shop = new Shop({ connections: CONNECTIONS });
      await shop.start();
      const sku = await shop.sells(1_000_000);
      const seen = { placed: new Map(), paid: new Map(), unanswered: new Map() };
      const clients = Array.from({ length: CONNECTIONS }, () => new Client(() => shop.server.url, { connections: 1 }));
      const rush = Promise.all(clients.map((client, i) => shopUntilLost(client, `c-${i}`, sku, seen)));
      await sleep(afterMs);
      await shop.kill();
      await rush;
      clients.forEach((client) => client.close());
      await shop.audit();

      await shop.start();
      assert.ok(seen.placed.size > 0 || afterMs < 100, 'nothing was ordered before the crash');
      const orders = new Map((await shop.all(`/v1/orders?sku=${sku}`)).map((one) => [one.order_id, one]));
      for (const [id, { answer }] of seen.placed) {
        const kept = orders.get(id);
        assert.ok(kept, `order ${id} was answered 201 and is gone`);
        assert.deepEqual(
          [kept.customer_id, kept.total, kept.created_at],
          [answer.customer_id, answer.total, answer.created_at],
        );
      }
      for (const [id, reference] of seen.paid) {
        assert.equal(orders.get(id).status, 'paid', `order ${id} was paid, and is no longer`);
        assert.equal(orders.get(id).payments[0].payment_reference, reference);
      }
      const unknown = orders.size - seen.placed.size;
      assert.ok(unknown >= 0 && unknown <= seen.unanswered.size, `${unknown} orders that nobody asked for`);

      /* Retried under their keys, what was answered before is answered again, and the rest has one effect. */
      for (const { key, body } of seen.unanswered.values()) {
        await shop.post('/v1/orders', body, 201, { key });
      }
      const sample = [...seen.placed.values()].slice(-50);
      for (const { key, body, answer } of sample) {
        const again = await shop.post('/v1/orders', body, 201, { key });
        assert.deepEqual(again.body, answer);
      }
      const rows = await shop.all(`/v1/orders?sku=${sku}`);
      assert.equal(rows.length, seen.placed.size + seen.unanswered.size);
      const paid = rows.filter((one) => one.status === 'paid').length;
      const held = rows.filter((one) => one.status === 'draft').length;
      assert.equal(paid + held, rows.length);
      assert.equal(await shop.stock(sku), `${1_000_000 - paid} on hand, ${held} reserved`);
      await shop.stop();
      shop.close();
      await shop.audit();
    });
  }

  test(
    'holds that fall due are released once, however often the server dies in between',
    { timeout: 60_000 },
    async () => {
      const shop = new Shop();
      await shop.start();
      const sku = await shop.sells(3000);
      for (let i = 0; i < 3; i += 1) {
        await shop.post(
          '/v1/orders/batch',
          { orders: Array.from({ length: 1000 }, (_, n) => order(`c-${n}`, { [sku]: 1 }, { hold_seconds: 1 })) },
          200,
        );
      }
      await sleep(950);
      for (let i = 0; i < 4; i += 1) {
        await shop.kill();
        await shop.start();
        await sleep(5 * i);
      }
      const deadline = Date.now() + 8000;
      while ((await shop.stock(sku)) !== '3000 on hand, 0 reserved') {
        assert.ok(Date.now() < deadline, await shop.stock(sku));
        await sleep(20);
      }
      const expired = (await shop.all('/v1/events?type=order.expired')).map((event) => event.data.order_id);
      assert.deepEqual([expired.length, new Set(expired).size], [3000, 3000]);
      await shop.stop();
      shop.close();
      await shop.audit();
    },
  );
});
