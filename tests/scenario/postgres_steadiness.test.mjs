/* A server that has worked for a while needs no more than one that has worked for a moment. */

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { describe, test } from 'node:test';

import { ask } from './support/database.mjs';
import { PROGRAM } from './support/program.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, order, Shop, sleep } from './support/shop.mjs';

const TIMEOUT = { timeout: 90_000 };
const WARM_UP_MS = 6000;
const RUN_MS = 14_000;
/* A sanitizer keeps what was freed. */
const GROWTH_MIB_MAX = PROGRAM.includes('-asan/') ? Infinity : 8;
const STEADY = "pg_stat_activity WHERE application_name = 'steady'";

const measure = async (shop) => {
  const { pid } = shop.server.process;
  return {
    mib: Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024,
    files: readdirSync(`/proc/${pid}/fd`).length,
    connections: (await ask(shop.database, `SELECT pid FROM ${STEADY};`)).length,
  };
};

describe('over time', () => {
  test('memory, files and connections stay as they are', TIMEOUT, async () => {
    const shop = new Shop({ connections: 40 });
    await shop.migrate();
    await shop.start({ via: `${shop.database}&application_name=steady` });
    const sku = await shop.sells(100_000_000);
    const rush = new Rush([shop], sku);
    /* Orders that expire, refusals and reads beside it. */
    let isOver = false;
    const others = (async () => {
      while (!isOver) {
        await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
        await shop.post('/v1/orders', order('c-1', { [sku]: 999_999, nothing: 1 }), undefined);
        await shop.get(`/v1/orders?sku=${sku}&limit=20`);
        await shop.get('/v1/events?limit=20');
        await shop.get(`/v1/stock/${sku}`);
      }
    })();
    await sleep(WARM_UP_MS);
    const before = await measure(shop);
    await sleep(RUN_MS);
    const after = await measure(shop);
    isOver = true;
    await others;
    await rush.stop();
    assert.equal(after.connections, before.connections);
    assert.ok(after.files - before.files <= 2, `files: ${before.files} before, ${after.files} after`);
    const growth = after.mib - before.mib;
    assert.ok(growth < GROWTH_MIB_MAX, `${before.mib} MiB before, ${after.mib} MiB after`);
    await endShops(shop);
  });

  test('nor do lost connections leave anything behind', TIMEOUT, async () => {
    const shop = new Shop({ connections: 40 });
    await shop.migrate();
    await shop.start({ via: `${shop.database}&application_name=steady` });
    const sku = await shop.sells(1_000_000);
    const rush = new Rush([shop], sku);
    const loseAll = async (count) => {
      for (let i = 0; i < count; i += 1) {
        await rush.goesOn(20);
        await shop.look(`/v1/stock/${sku}`);
        await ask(shop.database, `SELECT pg_terminate_backend(pid) FROM ${STEADY};`);
      }
      await rush.goesOn(20);
      await sleep(1500);
    };
    await loseAll(5);
    const before = await measure(shop);
    await loseAll(25);
    const after = await measure(shop);
    await rush.stop();
    assert.ok(after.connections <= before.connections + 1, `${before.connections} before, ${after.connections} after`);
    assert.ok(after.files - before.files <= 2, `files: ${before.files} before, ${after.files} after`);
    assert.ok(after.mib - before.mib < GROWTH_MIB_MAX, `${before.mib} MiB before, ${after.mib} MiB after`);
    await rush.reckon(shop);
    await endShops(shop);
  });
});
