/* Of several processes on one database some die, or stand still: the others go on, and finish what the dead began. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { ask, withParameter } from './support/database.mjs';
import { work } from './support/program.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, order, Shop, sleep, until } from './support/shop.mjs';

const TIMEOUT = { timeout: 60_000 };

async function startTwins() {
  const one = new Shop({ connections: 50 });
  await one.start();
  return [one, await one.twin()];
}

describe('kill -9 of one of two servers in the middle of a rush', () => {
  test('the other goes on at once, and nothing is lost or invented', TIMEOUT, async () => {
    const [one, other] = await startTwins();
    const sku = await one.sells(1_000_000);
    const rush = new Rush([one, other], sku);
    await rush.goesOn(300);
    for (let i = 0; i < 3; i += 1) {
      const killed = Date.now();
      await one.kill();
      await rush.goesOn(200);
      assert.ok(rush.longestPauseMs(killed) < 8000, `${rush.longestPauseMs(killed)} ms without an order`);
      await one.start();
      await rush.goesOn(100);
    }
    await rush.stop();
    await rush.reckon(other);
    await endShops(other, one);
  });

  test('the holds that it made are released by the other', TIMEOUT, async () => {
    const [one, other] = await startTwins();
    const sku = await one.sells(1000);
    const orders = Array.from({ length: 1000 }, (_, n) => order(`c-${n}`, { [sku]: 1 }, { hold_seconds: 1 }));
    await one.post('/v1/orders/batch', { orders }, 200);
    await one.kill();
    one.close();
    await until('all are released', async () => (await other.stock(sku)) === '1000 on hand, 0 reserved');
    const released = await other.all('/v1/events?type=order.expired');
    assert.deepEqual([released.length, new Set(released.map((event) => event.data.order_id)).size], [1000, 1000]);
    await endShops(other);
  });
});

describe('a server that stands still in the middle of a rush', () => {
  test('holds its twin up for some seconds at most, and does no harm when it wakes', TIMEOUT, async () => {
    const one = new Shop({ connections: 50 });
    await one.start({ via: withParameter(one.database, 'application_name', 'stalled') });
    const other = await one.twin();
    const sku = await one.sells(1_000_000);
    const rush = new Rush([one], sku);
    const others = new Rush([other], sku);
    await Promise.all([rush.goesOn(100), others.goesOn(100)]); /* they meet, and so they lock */
    /* Stopped again and again until it is caught with its transaction open and the stock's row locked. */
    const isCaught = async () => {
      const caught = await ask(
        one.database,
        `SELECT pid FROM pg_stat_activity a JOIN pg_locks l USING (pid)
         WHERE a.application_name = 'stalled' AND a.state = 'idle in transaction'
         AND l.relation = 'stock_levels'::regclass AND l.mode = 'RowShareLock';`,
      );
      return caught.length > 0;
    };
    let stopped;
    const stands = async () => {
      one.server.signal('SIGSTOP');
      stopped = Date.now();
      if (await isCaught()) {
        return true;
      }
      one.server.signal('SIGCONT');
      await sleep(5 + Math.random() * 10);
      return false;
    };
    await until('it stands still in a transaction', stands, 30_000);
    await others.goesOn(200, 20_000);
    const pause = others.longestPauseMs(stopped);
    assert.ok(pause > 1000, `nobody was held up: ${pause} ms`);
    assert.ok(pause < 12_000, `the twin waited for ${pause} ms`);
    one.server.signal('SIGCONT');
    await rush.goesOn(100);
    await rush.stop();
    await others.stop();
    await rush.reckon(other, others);
    await others.reckon(other, rush);
    await endShops(other, one);
  });
});

describe('holdfast work', () => {
  const countReleased = async (database) =>
    Number((await ask(database, "SELECT count(*) FROM events WHERE type = 'order.expired';"))[0]);
  const released = (database, count) =>
    until(`${count} are released`, async () => (await countReleased(database)) === count, 15_000);
  const holds = (shop, sku, count) =>
    shop.post(
      '/v1/orders/batch',
      { orders: Array.from({ length: count }, (_, n) => order(`c-${n}`, { [sku]: 1 }, { hold_seconds: 1 })) },
      200,
    );

  test('releases what a dead server held', TIMEOUT, async () => {
    const shop = new Shop();
    await shop.start();
    const worker = await work(shop.database);
    const sku = await shop.sells(500);
    await holds(shop, sku, 500);
    await shop.kill();
    await released(shop.database, 500);
    assert.deepEqual(await worker.stop(), { status: 0, signal: null });
    await shop.audit();
    shop.close();
  });

  test('releases what a server holds that stands still', TIMEOUT, async () => {
    const shop = new Shop();
    await shop.start();
    const worker = await work(shop.database);
    const sku = await shop.sells(500);
    await holds(shop, sku, 500);
    shop.server.signal('SIGSTOP');
    await released(shop.database, 500);
    shop.server.signal('SIGCONT');
    assert.equal(await shop.stock(sku), '500 on hand, 0 reserved');
    assert.deepEqual(await worker.stop(), { status: 0, signal: null });
    await endShops(shop);
  });

  test('several are as good as one, and one may die', TIMEOUT, async () => {
    const shop = new Shop();
    await shop.start();
    const workers = [await work(shop.database), await work(shop.database)];
    const sku = await shop.sells(1000);
    await holds(shop, sku, 1000);
    await shop.kill();
    await sleep(900);
    await workers[0].kill();
    await released(shop.database, 1000);
    await workers[1].stop();
    await shop.audit();
    shop.close();
  });
});
