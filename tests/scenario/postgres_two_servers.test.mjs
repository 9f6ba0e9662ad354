/* Two servers on one database are one shop: whichever a customer comes to, the stock, the orders, the keys and the
 * timeouts are the same. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Listener } from './support/listener.mjs';
import { createKey } from './support/program.mjs';
import { newKey, order, sleep, tally, times, until, useShops } from './support/shop.mjs';

describe('two servers on one database', () => {
  const [one, other] = useShops(2, { connections: 100 });
  const either = (i) => (i % 2 === 0 ? one : other);

  test('200 customers want 500 units: 500 are sold, the others are told so', { timeout: 60_000 }, async () => {
    const sku = await one.sells(500);
    let paidCount = 0;
    const answers = await times(200, async (i) => {
      const own = [];
      for (let round = 0; round < 5; round += 1) {
        const shop = either(i + round);
        const answer = await shop.post('/v1/orders', order(`c-${i}`, { [sku]: 1 }), undefined, { key: newKey() });
        own.push(answer);
        if (answer.status === 201) {
          await either(i + round + 1).pays(answer.body);
          paidCount += 1;
        }
      }
      return own;
    });
    assert.deepEqual(tally(answers.flat()), { 201: 500, '409 insufficient_stock': 500 });
    assert.equal(paidCount, 500);
    for (const shop of [one, other]) {
      assert.equal(await shop.stock(sku), '0 on hand, 0 reserved');
      assert.equal((await shop.all(`/v1/orders?sku=${sku}&status=paid`)).length, 500);
    }
  });

  test('carts with several SKUs in any order never block each other', { timeout: 60_000 }, async () => {
    const skus = await Promise.all(Array.from({ length: 6 }, () => one.sells(1000)));
    await times(100, async (i) => {
      for (let round = 0; round < 5; round += 1) {
        const cart = [...skus.slice(i % 6), ...skus.slice(0, i % 6)];
        const lines = Object.fromEntries((i % 2 === 0 ? cart : cart.reverse()).map((sku) => [sku, 1]));
        await either(i + round).places(lines);
      }
    });
    for (const sku of skus) {
      assert.equal(await one.stock(sku), '1000 on hand, 500 reserved');
    }
  });

  test('what one placed the other shows, extends, cancels and takes money for', async () => {
    const sku = await one.sells(10);
    const placed = await one.places({ [sku]: 2 });
    assert.equal((await other.sees(placed)).status, 'draft');
    await other.post(`/v1/orders/${placed.order_id}/extend`, { seconds: 60 }, 200);
    await other.pays(placed, 'pi-two-servers');
    assert.equal((await one.sees(placed)).status, 'paid');
    await one.pays(placed, 'pi-two-servers');
    const second = await other.places({ [sku]: 3 });
    await one.post(`/v1/orders/${second.order_id}/cancel`, {}, 200);
    assert.equal((await other.sees(second)).status, 'cancelled');
    assert.equal(await other.stock(sku), '8 on hand, 0 reserved');
  });

  test('holds that fall due are released once, and soon', { timeout: 60_000 }, async () => {
    const sku = await one.sells(2000);
    const before = (await one.all('/v1/events?type=order.expired')).length;
    await times(4, (i) =>
      either(i).post(
        '/v1/orders/batch',
        { orders: Array.from({ length: 500 }, (_, n) => order(`c-${n}`, { [sku]: 1 }, { hold_seconds: 1 })) },
        200,
      ),
    );
    await until('all are released', async () => (await other.stock(sku)) === '2000 on hand, 0 reserved', 15_000);
    const released = (await one.all('/v1/events?type=order.expired')).slice(before);
    assert.equal(released.length, 2000);
    assert.equal(new Set(released.map((event) => event.data.order_id)).size, 2000, 'released twice');
  });

  test('the deadline of a hold is the same for both, to the millisecond', { timeout: 60_000 }, async () => {
    const sku = await one.sells(100);
    const placed = await times(20, (i) => either(i).places({ [sku]: 5 }, { hold_seconds: 3 }));
    await one.post('/v1/orders', order('late', { [sku]: 1 }), '409 insufficient_stock');
    /* A hold that is over ties up nothing, whoever is asked and whoever made it. */
    const due = Math.max(...placed.map((each) => Date.parse(each.expires_at)));
    await sleep(due - Date.now() + 1);
    await times(10, (i) => either(i).places({ [sku]: 10 }));
    assert.equal(await one.stock(sku), '100 on hand, 100 reserved');
  });

  test('the log of events has no gaps, and nobody sees a number before those below it', async () => {
    const sku = await one.sells(1_000_000);
    let isDone = false;
    const watch = async (shop) => {
      let [last] = (await shop.all('/v1/events')).slice(-1).map((event) => event.sequence);
      while (!isDone) {
        const { body } = await shop.get(`/v1/events?after=${last}&limit=1000`);
        for (const { sequence } of body.data) {
          assert.equal(sequence, last + 1, 'an event came late, or never');
          last = sequence;
        }
      }
      return last;
    };
    const watching = Promise.all([watch(one), watch(other)]);
    await times(40, async (i) => {
      for (let round = 0; round < 20; round += 1) {
        await either(i + round).places({ [sku]: 1 });
      }
    });
    isDone = true;
    await watching;
  });

  test('a listener at either hears of what happens at both, once and in order', async () => {
    const sku = await one.sells(100_000);
    const listeners = await times(10, (i) => Listener.open(either(i)));
    await times(20, async (i) => {
      for (let round = 0; round < 20; round += 1) {
        await either(i + round).places({ [sku]: 1 });
      }
    });
    for (const listener of listeners) {
      await listener.until(400);
      assert.deepEqual(
        listener.events.map((event) => event.id),
        listener.events.map((_, i) => listener.events[0].id + i),
      );
      listener.close();
    }
    const placed = listeners.map((listener) => listener.events.map((event) => event.data.data.order_id).join());
    assert.equal(new Set(placed).size, 1);
  });

  test('a key for the API counts at both within a second', async () => {
    const key = await createKey(one.database, 'admin');
    await until('both ask for it', async () => {
      const answers = await times(2, (i) => either(i).send('GET', '/v1/orders'));
      return answers.every(({ status }) => status === 401);
    });
    one.bearer = key;
    other.bearer = key;
    await times(2, (i) => either(i).get('/v1/orders'));
  });
});
