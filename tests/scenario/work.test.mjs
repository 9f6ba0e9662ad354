import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { newDatabase, ONLY_SQLITE } from './support/database.mjs';
import { run, runs, work } from './support/program.mjs';
import { Shop, until } from './support/shop.mjs';

const LISTEN = ['--listen', '127.0.0.1:0'];
const STOPPED = { status: 0, signal: null };

const startOf = (worker) => worker.log.find((line) => line.event === 'worker_started');
/* What it answers at the address that it chose. */
const ask = (worker, path, options) => fetch(`http://${startOf(worker).listen}${path}`, options);

async function withWorker(parameters, deed) {
  const database = newDatabase();
  await runs(['migrate', '--database', database]);
  const worker = await work(database, { parameters });
  try {
    await deed(worker, database);
  } finally {
    assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
  }
}

describe('a worker', () => {
  test('releases the holds that fall due, while no server runs', async () => {
    const shop = new Shop();
    await shop.start();
    const sku = await shop.sells(3);
    const placed = await shop.places({ [sku]: 2 }, { hold_seconds: 1 });
    await shop.kill();
    const worker = await work(shop.database, { parameters: LISTEN });
    await until('it has released the hold', async () =>
      /^holdfast_orders_total\{outcome="expired"\} 1$/m.test(await (await ask(worker, '/metrics')).text()),
    );
    assert.deepEqual(await worker.stop(), STOPPED, worker.logText());
    await shop.start();
    assert.equal((await shop.sees(placed)).status, 'expired');
    assert.equal(await shop.stock(sku), '3 on hand, 0 reserved');
    await shop.stop();
    shop.close();
    await shop.audit();
  });

  test('answers for its health and metrics, and takes no orders', () =>
    withWorker(LISTEN, async (worker) => {
      for (const path of ['/healthz', '/readyz', '/metrics']) {
        assert.equal((await ask(worker, path)).status, 200, path);
      }
      for (const [path, options] of [
        ['/v1/orders', { method: 'POST', body: '{}', headers: { 'Content-Type': 'application/json' } }],
        ['/v1/orders', { method: 'PUT' }],
        ['/v1/products'],
        ['/openapi.json'],
        ['/'],
      ]) {
        const answer = await ask(worker, path, options);
        assert.deepEqual([answer.status, (await answer.json()).code], [404, 'not_found'], path);
      }
    }));

  test('needs no key on a public address, since it tells no secrets', () =>
    withWorker(['--listen', '0.0.0.0:0'], async (worker) => {
      const [port] = startOf(worker).listen.split(':').slice(-1);
      assert.equal((await fetch(`http://127.0.0.1:${port}/readyz`)).status, 200);
    }));

  test('listens nowhere unless told to', () =>
    withWorker([], (worker) => assert.equal(startOf(worker).listen, undefined)));

  test('runs beside a server and other workers on one file, of which one process alone is the server', ONLY_SQLITE, () =>
    withWorker([], async (_, database) => {
      const shop = new Shop({ database });
      await shop.start();
      const { status, stderr } = await run(['serve', '--listen', '127.0.0.1:0', '--database', database]);
      assert.equal(status, 1);
      assert.match(stderr, /another process serves/);
      const other = await work(database);
      assert.deepEqual(await other.stop(), STOPPED, other.logText());
      await shop.stop();
      shop.close();
    }));

  test('makes no database', async () => {
    const database = newDatabase();
    const { status, stderr } = await run(['work', '--database', database]);
    assert.equal(status, 1);
    assert.match(stderr, /holdfast migrate/);
  });
});
