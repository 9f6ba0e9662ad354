/* The primary is lost and its standby promoted: the server finds the new one by itself, and since a commit waits for
 * the standby, nothing that was acknowledged is lost. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Cluster } from './support/cluster.mjs';
import { newSchema } from './support/database.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, newKey, order, Shop, sleep, until } from './support/shop.mjs';

const TIMEOUT = { timeout: 90_000 };

/* A primary whose commits wait for its standby, and a shop that knows both. */
async function withPair(deed) {
  const primary = new Cluster();
  const standby = new Cluster();
  await primary.start();
  await standby.follow(primary);
  await primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*';");
  await primary.sql('SELECT pg_reload_conf();');
  const isSynchronous = async () =>
    (await primary.sql("SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync';")).length === 1;
  await until('commits wait for the standby', isSynchronous);
  const both = newSchema(primary.uri).replace(
    `127.0.0.1:${primary.port}`,
    `127.0.0.1:${primary.port},127.0.0.1:${standby.port}`,
  );
  const shop = new Shop({ database: `${both}&target_session_attrs=read-write`, connections: 40 });
  await shop.start();
  try {
    await deed({ shop, primary, standby });
    await endShops(shop);
  } finally {
    await shop.kill();
    primary.destroy();
    standby.destroy();
  }
}

describe('the primary is lost in the middle of a rush, and its standby promoted', () => {
  for (const [how, mode] of [
    ['killed', 'kill'],
    ['shut down', 'fast'],
  ]) {
    test(`${how}: no acknowledged order is lost, none is invented`, TIMEOUT, () =>
      withPair(async ({ shop, primary, standby }) => {
        const rush = new Rush([shop], await shop.sells(1_000_000));
        await rush.goesOn(300);
        const lost = Date.now();
        await primary.stop(mode);
        await standby.promote();
        await rush.goesOn(200, 20_000);
        assert.ok(rush.longestPauseMs(lost) < 10_000, `${rush.longestPauseMs(lost)} ms without an order`);
        await rush.stop();
        await rush.reckon(shop);
        await shop.get('/readyz');
      }),
    );
  }

  test('promoted late: 503 while there is no primary, and no restart is needed after', TIMEOUT, () =>
    withPair(async ({ shop, primary, standby }) => {
      const rush = new Rush([shop], await shop.sells(1_000_000));
      await rush.goesOn(200);
      await primary.stop('kill');
      /* A standby could be read, and is not: what it says may be old, and a shop that cannot sell is not ready. */
      await until('it is not ready', async () => (await shop.look('/readyz')).status === 503, 15_000);
      await shop.post('/v1/orders', order('c-1', { [rush.sku]: 1 }), '503 store_unavailable');
      await standby.promote();
      await rush.goesOn(200, 20_000);
      await rush.stop();
      await rush.reckon(shop);
      await until('it is ready', async () => (await shop.look('/readyz')).status === 200, 8000);
    }),
  );

  test('what had not reached the standby was not acknowledged', TIMEOUT, () =>
    withPair(async ({ shop, primary, standby }) => {
      const sku = await shop.sells(100);
      const before = await shop.places({ [sku]: 1 }, { customer: 'c-before' });
      await standby.stop('fast');
      const isAlone = async () => (await primary.sql('SELECT 1 FROM pg_stat_replication;')).length === 0;
      await until('nobody follows', isAlone);
      let isAnswered = false;
      const key = newKey();
      const body = order('c-alone', { [sku]: 1 });
      const answering = shop.post('/v1/orders', body, undefined, { key }).finally(() => {
        isAnswered = true;
      });
      /* The primary has it, and would say so to anybody who asked: not to the customer. */
      const isWaiting = async () =>
        (await primary.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep';")).length > 0;
      await until('the primary has it', isWaiting);
      await sleep(500);
      assert.equal(isAnswered, false, 'acknowledged, and the standby does not have it');
      await primary.stop('kill');
      await standby.start();
      await standby.promote();
      const answer = await answering;
      const customers = (await shop.all(`/v1/orders?sku=${sku}`)).map((one) => one.customer_id).sort();
      if (answer.status === 201) {
        assert.deepEqual(customers, ['c-alone', 'c-before']);
      } else {
        assert.equal(answer.status, 503);
        assert.deepEqual(customers, ['c-before']);
        const retry = () => shop.post('/v1/orders', body, undefined, { key });
        await until('the retry is taken', async () => (await retry()).status === 201);
      }
      assert.equal((await shop.sees(before)).status, 'draft');
      assert.equal(await shop.stock(sku), '100 on hand, 2 reserved');
    }),
  );
});
