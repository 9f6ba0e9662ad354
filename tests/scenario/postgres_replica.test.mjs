/* --read-database: lists and reports come from a replica, which may be behind; what decides, and what somebody has just
 * been told, comes from the primary. */

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Cluster } from './support/cluster.mjs';
import { newSchema, withParameter } from './support/database.mjs';
import { endShops, newKey, order, Shop, until } from './support/shop.mjs';

const TIMEOUT = { timeout: 60_000 };

describe('lists from a replica', () => {
  const primary = new Cluster();
  const replica = new Cluster();
  let shop;

  before(async () => {
    await primary.start();
    await replica.follow(primary, 'hot_standby_feedback=on');
    const database = newSchema(primary.uri);
    const readDatabase = database.replace(`:${primary.port}/`, `:${replica.port}/`);
    const lists = withParameter(readDatabase, 'application_name', 'lists');
    shop = new Shop({ database, parameters: ['--read-database', lists] });
    await shop.start();
  });
  after(async () => {
    await endShops(shop);
    primary.destroy();
    replica.destroy();
  });

  const pause = () => replica.sql('SELECT pg_wal_replay_pause();');
  const resume = () => replica.sql('SELECT pg_wal_replay_resume();');
  const isUsed = async () =>
    (await replica.sql("SELECT 1 FROM pg_stat_activity WHERE application_name = 'lists';")).length > 0;
  const fallbacks = async (of = shop) =>
    Number(/^holdfast_read_database_fallbacks_total (\d+)$/m.exec((await of.get('/metrics')).text)[1]);
  const listed = async (sku) => (await shop.get(`/v1/orders?sku=${sku}`)).body.data.length;
  const catchesUp = (sku, count) => until('the replica has caught up', async () => (await listed(sku)) === count);

  test('show what has reached it', TIMEOUT, async () => {
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    await catchesUp(sku, 1);
    await pause();
    try {
      const placed = await shop.places({ [sku]: 1 });
      assert.equal(await listed(sku), 1, 'the list did not come from the replica');
      assert.equal((await shop.get(`/v1/reservations?sku=${sku}`)).body.data.length, 1);
      assert.equal(placed.status, 'draft');
    } finally {
      await resume();
    }
    await catchesUp(sku, 2);
    assert.ok(await isUsed(), 'the replica is not used');
  });

  test('single resources and decisions come from the primary, however far behind it is', TIMEOUT, async () => {
    const sku = await shop.sells(10);
    await catchesUp(sku, 0);
    await pause();
    try {
      const key = newKey();
      const body = order('c-1', { [sku]: 7 });
      const { body: placed, headers } = await shop.post('/v1/orders', body, 201, { key });
      assert.ok(headers.location);
      assert.equal((await shop.sees(placed)).status, 'draft');
      assert.equal(await shop.stock(sku), '10 on hand, 7 reserved');
      await shop.post('/v1/orders', order('c-2', { [sku]: 4 }), '409 insufficient_stock');
      const again = await shop.post('/v1/orders', body, 201, { key });
      assert.equal(again.headers['idempotency-replayed'], 'true');
      await shop.pays(placed);
      assert.equal((await shop.sees(placed)).status, 'paid');
      const product = await shop.post(
        '/v1/products',
        { title: 'New', sku: `new-${sku}`, price: { amount: 1, currency: 'EUR' } },
        201,
      );
      await shop.get(`/v1/products/${product.body.product_id}`);
      await shop.get(`/v1/variants/new-${sku}`);
    } finally {
      await resume();
    }
  });

  test('the replica is gone: they come from the primary until it is back', TIMEOUT, async () => {
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    assert.equal(await fallbacks(), 0);
    await replica.stop('kill');
    for (let i = 0; i < 5; i += 1) {
      const started = Date.now();
      assert.equal((await shop.all('/v1/orders')).length > 0, true);
      assert.equal(await listed(sku), 1);
      assert.ok(Date.now() - started < 5000, `lists took ${Date.now() - started} ms`);
    }
    assert.ok((await fallbacks()) >= 10, 'what the primary did for it is not counted');
    const told = shop.server.log.filter(({ event }) => event === 'read_database_failed');
    assert.deepEqual([told.length, told[0]?.level], [1, 'warn'], shop.server.logText());
    await shop.get('/readyz');
    await shop.places({ [sku]: 1 });
    assert.equal(await listed(sku), 2);
    await replica.start();
    await until(
      'lists come from the replica again',
      async () => (await listed(sku)) > 0 && (await isUsed()),
      15_000,
    );
    assert.equal(await listed(sku), 2);
  });

  test("another shop's database is no replica: it is not asked", TIMEOUT, async () => {
    const stranger = new Shop({ database: newSchema(primary.uri) });
    await stranger.start();
    const mistaken = await shop.twin({ parameters: ['--read-database', stranger.database] });
    try {
      const sku = await shop.sells(10);
      await shop.places({ [sku]: 1 });
      assert.equal((await mistaken.get(`/v1/orders?sku=${sku}`)).body.data.length, 1);
      assert.equal(await fallbacks(mistaken), 1);
      const told = mistaken.server.log.find(({ event }) => event === 'read_database_failed');
      assert.equal(told?.level, 'error', mistaken.server.logText());
      assert.match(told.message, /another shop/);
    } finally {
      await endShops(mistaken, stranger);
    }
  });

  test('a server starts without its replica', TIMEOUT, async () => {
    await replica.stop('fast');
    await shop.stop();
    await shop.start();
    const sku = await shop.sells(10);
    await shop.places({ [sku]: 1 });
    assert.equal(await listed(sku), 1);
    await replica.start();
  });
});
