/* The database goes away in the middle of a rush, wholly or by one connection, and comes back: the server says 503
 * meanwhile, never anything false, and needs no restart. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { useCluster } from './support/cluster.mjs';
import { newSchema, psql } from './support/database.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, order, Shop, sleep, until } from './support/shop.mjs';

const TIMEOUT = { timeout: 60_000 };

const cluster = await useCluster('restart_after_crash=on');

async function openShop() {
  const shop = new Shop({ database: newSchema(cluster.uri), connections: 40 });
  await shop.start();
  return shop;
}

/* Waits for a backend in the middle of a batch, and does something to it. */
const catchWriter = (deed) =>
  cluster.sql(`
    SET statement_timeout = '10s';
    DO $$
    DECLARE victim integer;
    BEGIN
        WHILE victim IS NULL LOOP
            PERFORM pg_sleep(0.0003), pg_stat_clear_snapshot();
            SELECT pid INTO victim FROM pg_stat_activity
            WHERE application_name = 'holdfast' AND backend_xid IS NOT NULL LIMIT 1;
        END LOOP;
        ${deed};
    END
    $$;`);
const terminateAll = () =>
  cluster.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'holdfast';");

async function reckonAndEnd(shop, rush) {
  await rush.goesOn(50);
  await rush.stop();
  await rush.reckon(shop);
  await shop.get('/readyz');
  await endShops(shop);
}

describe('one connection is lost', () => {
  test('the writing backend is terminated, again and again', TIMEOUT, async () => {
    const shop = await openShop();
    const rush = new Rush([shop], await shop.sells(1_000_000));
    for (let i = 0; i < 8; i += 1) {
      await rush.goesOn(60);
      await catchWriter('PERFORM pg_terminate_backend(victim)');
    }
    await reckonAndEnd(shop, rush);
  });

  test('all are terminated at once, again and again', TIMEOUT, async () => {
    const shop = await openShop();
    const rush = new Rush([shop], await shop.sells(1_000_000));
    for (let i = 0; i < 8; i += 1) {
      await rush.goesOn(60);
      await terminateAll();
    }
    await reckonAndEnd(shop, rush);
  });

  test('kill -9 of the writing backend, upon which the cluster throws all out and recovers', TIMEOUT, async () => {
    const shop = await openShop();
    const rush = new Rush([shop], await shop.sells(1_000_000));
    for (let i = 0; i < 4; i += 1) {
      await rush.goesOn(60);
      const killer = "EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'kill -9 ' || victim)";
      await catchWriter(killer).catch(() => {}); /* it is thrown out, too */
    }
    await reckonAndEnd(shop, rush);
  });

  test('reads go on after their connections were cut, too', TIMEOUT, async () => {
    const shop = await openShop();
    const sku = await shop.sells(5);
    for (let i = 0; i < 5; i += 1) {
      await terminateAll();
      await until('it reads', async () => (await shop.look(`/v1/stock/${sku}`)).status === 200);
      await shop.get(`/v1/orders?sku=${sku}`);
    }
    await endShops(shop);
  });
});

describe('the whole cluster goes away and comes back', () => {
  for (const [what, mode] of [
    ['kill -9 of all of it', 'kill'],
    ['an immediate shutdown', 'immediate'],
    ['a fast shutdown', 'fast'],
  ]) {
    test(`${what} in the middle of a rush`, TIMEOUT, async () => {
      const shop = await openShop();
      const rush = new Rush([shop], await shop.sells(1_000_000));
      for (let i = 0; i < 3; i += 1) {
        await rush.goesOn(100);
        await cluster.stop(mode);
        await sleep(200 * i);
        await cluster.start();
      }
      await reckonAndEnd(shop, rush);
      assert.ok(rush.slowestMs < 15_000, `an answer took ${rush.slowestMs} ms`);
    });
  }

  test('while it is away: 503, alive, not ready, and no connection is left hanging', TIMEOUT, async () => {
    const shop = await openShop();
    const sku = await shop.sells(100);
    const placed = await shop.places({ [sku]: 1 });
    await cluster.stop('immediate');
    const body = order('c-1', { [sku]: 1 });
    const first = await shop.post('/v1/orders', body, undefined);
    assert.equal(first.status, 503);
    assert.match(first.headers['retry-after'], /^\d+$/);
    await until('it is not ready', async () => (await shop.look('/readyz')).status === 503);
    for (let i = 0; i < 5; i += 1) {
      const started = Date.now();
      await shop.post('/v1/orders', body, '503 store_unavailable');
      await shop.get(`/v1/orders/${placed.order_id}`, '503 store_unavailable');
      await shop.get('/v1/orders', '503 store_unavailable');
      await shop.get('/healthz');
      await shop.get('/metrics');
      assert.ok(Date.now() - started < 4000, `${Date.now() - started} ms for a few refusals`);
      await sleep(200);
    }
    await cluster.start();
    const restarted = Date.now();
    await until('it sells again', async () => (await shop.post('/v1/orders', body, undefined)).status === 201, 10_000);
    assert.ok(Date.now() - restarted < 5000, `only after ${Date.now() - restarted} ms`);
    await until('it is ready', async () => (await shop.look('/readyz')).status === 200, 8000);
    const reserved = async () => (await shop.look(`/v1/stock/${sku}`)).body.reserved_quantity;
    await until('every reader reads', async () => (await Promise.all([reserved(), reserved()])).join() === '2,2');
    await endShops(shop);
  });

  test('it is ready once it can write, though nobody buys, and every reader reads', TIMEOUT, async () => {
    const shop = await openShop();
    const sku = await shop.sells(100);
    const buy = () => shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined);
    await cluster.stop('immediate');
    assert.equal((await buy()).status, 503);
    for (let i = 0; i < 20; i += 1) {
      await Promise.all([shop.look(`/v1/stock/${sku}`), shop.look('/v1/orders')]);
      await sleep(150); /* each of its connections is tried less and less often */
    }
    await cluster.start();
    await until('it is ready', async () => (await shop.send('GET', '/readyz')).status === 200, 20_000);
    assert.ok(shop.server.log.some(({ event }) => event === 'store_recovered'));
    assert.equal((await buy()).status, 201);
    await Promise.all(Array.from({ length: 8 }, () => shop.get(`/v1/stock/${sku}`)));
    await endShops(shop);
  });

  test('holds that fall due while it is away are released when it is back', TIMEOUT, async () => {
    const shop = await openShop();
    const sku = await shop.sells(1000);
    const orders = Array.from({ length: 1000 }, (_, n) => order(`c-${n}`, { [sku]: 1 }, { hold_seconds: 1 }));
    await shop.post('/v1/orders/batch', { orders }, 200);
    await cluster.stop('kill');
    await sleep(1500);
    await cluster.start();
    const stock = async () => (await shop.look(`/v1/stock/${sku}`)).body.available_quantity;
    await until('all are released', async () => (await stock()) === 1000, 10_000);
    assert.equal((await shop.all('/v1/events?type=order.expired')).length, 1000);
    await endShops(shop);
  });

  test('a server stops in good order while there is no database', TIMEOUT, async () => {
    const shop = await openShop();
    const sku = await shop.sells(10);
    await cluster.stop('immediate');
    await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined);
    await shop.stop();
    shop.close();
    await cluster.start();
    await shop.audit();
  });

  test('a disk that is full, as the database server tells it, is over when there is room again', TIMEOUT, async () => {
    const shop = await openShop();
    const sku = await shop.sells(10);
    const [schema] = psql(shop.database, 'SELECT current_schema();');
    /* An extension of the tables fails as on a full disk, with its SQLSTATE. */
    await cluster.sql(`SET search_path = ${schema};
      CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
      CREATE TRIGGER full_disk BEFORE INSERT ON orders EXECUTE FUNCTION full_disk();`);
    await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), '503 store_unavailable');
    assert.equal(await shop.stock(sku), '10 on hand, 0 reserved');
    await cluster.sql(`DROP FUNCTION ${schema}.full_disk() CASCADE;`);
    const buy = () => shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined);
    await until('it sells again', async () => (await buy()).status === 201);
    await endShops(shop);
  });
});
