/* A disk that is full, as the kernel tells it: a limit on the size of files, set on the running server; and a file that is
 * taken away. Only where the server's database is a file; what becomes of one that a database server refuses is in
 * postgres_outages. */

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, statSync, unlinkSync } from 'node:fs';
import { describe, test } from 'node:test';

import { ONLY_SQLITE } from './support/database.mjs';
import { newKey, order, Shop, sleep, until, untilTime } from './support/shop.mjs';

describe('a full disk', ONLY_SQLITE, () => {
  const fileLimit = (shop, bytes) =>
    execFileSync('prlimit', ['--pid', String(shop.server.process.pid), `--fsize=${bytes}:unlimited`]);
  const sizes = (shop) =>
    ['', '-wal'].map((suffix) => {
      try {
        return statSync(`${shop.folder}/shop.db${suffix}`).size;
      } catch {
        return 0;
      }
    });

  test(
    'is answered 503 store_unavailable, loses nothing, and is over when there is room again',
    { timeout: 60_000 },
    async () => {
      const shop = new Shop();
      await shop.start();
      const sku = await shop.sells(1_000_000);
      const placed = await shop.places({ [sku]: 1 });
      fileLimit(shop, Math.max(...sizes(shop)) + 64 * 1024);

      const kept = new Map();
      let refused;
      const body = order('c-1', { [sku]: 1 }, { metadata: { filler: 'x'.repeat(500) } });
      for (let i = 0; refused === undefined; i += 1) {
        assert.ok(i < 20_000, 'the disk was never full');
        const key = newKey();
        const answer = await shop.post('/v1/orders', body, undefined, { key });
        if (answer.status === 201) {
          kept.set(key, answer.body);
        } else {
          refused = { key, answer };
        }
      }
      assert.deepEqual([refused.answer.status, refused.answer.body.code], [503, 'store_unavailable']);
      assert.match(refused.answer.headers['retry-after'], /^\d+$/);
      await shop.post('/v1/orders', body, '503 store_unavailable');
      await shop.get('/healthz');
      assert.equal((await shop.sees(placed)).status, 'draft', 'reads go on');
      await shop.post('/v1/orders', order('c-1', { [sku]: 2_000_000 }), undefined);

      fileLimit(shop, 'unlimited');
      await until(
        'orders are taken again',
        async () => (await shop.post('/v1/orders', body, undefined, { key: refused.key })).status === 201,
      );
      for (const [key, answer] of [...kept].slice(-20)) {
        assert.deepEqual((await shop.post('/v1/orders', body, 201, { key })).body, answer);
      }
      assert.equal(await shop.stock(sku), `1000000 on hand, ${kept.size + 2} reserved`);
      await shop.get('/readyz');
      await shop.stop();
      shop.close();
      await shop.audit();
    },
  );

  test('and a crash while it lasts loses nothing either', { timeout: 60_000 }, async () => {
    const shop = new Shop();
    await shop.start();
    const sku = await shop.sells(1_000_000);
    fileLimit(shop, Math.max(...sizes(shop)) + 256 * 1024);
    let count = 0;
    while ((await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined)).status === 201) {
      count += 1;
    }
    await shop.kill();
    await shop.audit();
    await shop.start();
    assert.equal(await shop.stock(sku), `1000000 on hand, ${count} reserved`);
    await shop.stop();
    shop.close();
  });

  test('holds that fall due while it lasts are released when it is over', { timeout: 60_000 }, async () => {
    const shop = new Shop();
    await shop.start();
    const sku = await shop.sells(500);
    const { body } = await shop.post(
      '/v1/orders/batch',
      { orders: Array.from({ length: 500 }, (_, i) => order(`c-${i}`, { [sku]: 1 }, { hold_seconds: 1 })) },
      200,
    );
    fileLimit(shop, 4096);
    await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined);
    await untilTime(body.results.at(-1).order.expires_at);
    await sleep(1000);
    await shop.get('/healthz');
    fileLimit(shop, 'unlimited');
    await until('all are released', async () => (await shop.stock(sku)) === '500 on hand, 0 reserved', 5000);
    assert.equal((await shop.all('/v1/events?type=order.expired')).length, 500);
    await shop.stop();
    shop.close();
    await shop.audit();
  });
});

describe('a database file that is deleted under its server', ONLY_SQLITE, () => {
  test('takes no more orders, says so, and spoils no backup that takes its place', { timeout: 60_000 }, async () => {
    const shop = new Shop();
    const path = `${shop.folder}/shop.db`;
    shop.database = `sqlite:${path}`;
    await shop.start();
    const sku = await shop.sells(10);
    const placed = await shop.places({ [sku]: 1 });
    await shop.stop();
    copyFileSync(path, `${path}.backup`);
    await shop.start();
    await shop.places({ [sku]: 2 });

    unlinkSync(path);
    await until('it is not ready', async () => (await shop.look('/readyz')).status === 503, 10_000);
    await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), '503 store_unavailable');
    await shop.get(`/v1/orders/${placed.order_id}`, '503 store_unavailable');
    const why = shop.server.log.find(({ event }) => event === 'batch_failed');
    assert.match(why.message, /not the database any more that was opened/);
    assert.ok(why.message.includes(path), why.message);
    await shop.stop();

    copyFileSync(`${path}.backup`, path);
    await shop.start();
    assert.equal(await shop.stock(sku), '10 on hand, 1 reserved');
    await shop.places({ [sku]: 1 });
    await shop.stop();
    shop.close();
    await shop.audit();
  });
});
