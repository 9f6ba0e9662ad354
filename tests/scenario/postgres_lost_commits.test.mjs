/* COMMIT was sent, and its answer never came: the batch may have happened or not. The server finds out which, and tells
 * its clients the truth; where it cannot find out in time it says so. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { withProxy } from './support/proxy.mjs';
import { Rush } from './support/rush.mjs';
import { newKey, order, sleep, until } from './support/shop.mjs';

const TIMEOUT = { timeout: 60_000 };
const FOUND_OUT_MS = 15_000; /* to find out, or to give up */

/* A test with a shop behind a proxy that sells one SKU. */
const scenario = (name, deed) =>
  test(name, TIMEOUT, () =>
    withProxy(async (shop, proxy) => {
      const sku = await shop.sells(1000);
      await deed({
        shop,
        proxy,
        sku,
        placing: (key, customer = 'c-1') => shop.post('/v1/orders', order(customer, { [sku]: 1 }), undefined, { key }),
        customers: async () => (await shop.all(`/v1/orders?sku=${sku}`)).map((one) => one.customer_id).sort(),
      });
    }),
  );

describe('the answer to a COMMIT is lost', { concurrency: 4 }, () => {
  scenario('and it happened: the clients are told 201', async ({ shop, proxy, sku, placing }) => {
    const done = proxy.atNextCommit('unanswered');
    const key = newKey();
    const answer = await placing(key);
    await done;
    assert.equal(answer.status, 201);
    assert.equal((await shop.sees(answer.body)).status, 'draft');
    const again = await placing(key);
    assert.deepEqual(
      [again.status, again.headers['idempotency-replayed'], again.body],
      [201, 'true', answer.body],
    );
    assert.equal(await shop.stock(sku), '1000 on hand, 1 reserved');
  });

  scenario('and a pooler says that the server crashed: it is one order all the same', async (counter) => {
    const { shop, proxy, sku, customers } = counter;
    const done = proxy.atNextCommit('bounced');
    const answer = await shop.post('/v1/orders', order('c-bounced', { [sku]: 1 }), 201);
    await done;
    assert.equal((await shop.sees(answer.body)).status, 'draft');
    assert.deepEqual(await customers(), ['c-bounced']);
  });

  scenario('and it did not happen: it is done, once, or refused', async ({ shop, proxy, sku, placing, customers }) => {
    const done = proxy.atNextCommit('unsent');
    const key = newKey();
    const answer = await placing(key);
    await done;
    if (answer.status === 201) {
      assert.equal((await shop.sees(answer.body)).status, 'draft');
    } else {
      assert.deepEqual([answer.status, answer.body.code], [503, 'store_unavailable']);
      assert.deepEqual(await customers(), []);
      await until('the retry is taken', async () => (await placing(key)).status === 201);
    }
    assert.equal(await shop.stock(sku), '1000 on hand, 1 reserved');
  });

  for (const fate of ['unanswered', 'unsent']) {
    scenario(`a whole batch (${fate}): all of it is there, or nothing`, async ({ shop, proxy, sku }) => {
      const orders = Array.from({ length: 100 }, (_, i) => order(`c-${i}`, { [sku]: 1 }));
      const done = proxy.atNextCommit(fate);
      const answer = await shop.post('/v1/orders/batch', { orders }, undefined);
      await done;
      const there = (await shop.all(`/v1/orders?sku=${sku}`)).map((one) => one.order_id);
      if (answer.status === 200) {
        assert.deepEqual(there.sort(), answer.body.results.map((result) => result.order.order_id).sort());
      } else {
        assert.deepEqual([answer.status, answer.body.code], [503, 'store_unavailable']);
        assert.deepEqual(there, []);
      }
    });

    scenario(`a payment (${fate}) is taken once`, async ({ shop, proxy, sku }) => {
      const placed = await shop.places({ [sku]: 1 });
      const done = proxy.atNextCommit(fate);
      const pay = () => shop.post(`/v1/orders/${placed.order_id}/pay`, { payment_reference: `pi-${fate}` }, undefined);
      const answer = await pay();
      await done;
      if (answer.status !== 200) {
        assert.deepEqual([answer.status, answer.body.code], [503, 'store_unavailable']);
        assert.equal((await shop.sees(placed)).status, 'draft');
        await until('the retry is taken', async () => (await pay()).status === 200);
      }
      const paid = await shop.sees(placed);
      assert.deepEqual([paid.status, paid.payments.length], ['paid', 1]);
    });

    scenario(`holds that were being released (${fate}) are released once`, async ({ shop, proxy, sku }) => {
      const placed = await shop.places({ [sku]: 7 }, { hold_seconds: 1 });
      await proxy.atNextCommit(fate);
      await shop.expired(placed, 10_000);
      assert.deepEqual(await shop.eventTypes(placed), ['order.created', 'order.expired']);
      assert.equal(await shop.stock(sku), '1000 on hand, 0 reserved');
    });

    scenario(`and the database cannot be reached to find out (${fate}): outcome_unknown`, async (counter) => {
      const { proxy, placing, customers } = counter;
      const done = proxy.atNextCommit(fate, { isLast: true });
      const key = newKey();
      const started = Date.now();
      const answering = placing(key, 'c-unknown');
      await done;
      proxy.unreachable();
      const answer = await answering;
      assert.deepEqual([answer.status, answer.body.code], [503, 'outcome_unknown']);
      assert.match(answer.headers['retry-after'], /^\d+$/);
      assert.ok(Date.now() - started < FOUND_OUT_MS, `${Date.now() - started} ms to say so`);
      /* What comes behind it is not unknown: it was never begun. */
      const next = await placing(newKey(), 'c-next');
      assert.deepEqual([next.status, next.body.code], [503, 'store_unavailable']);

      proxy.reachable();
      await until('it sells again', async () => (await placing(newKey(), 'c-later')).status === 201, 10_000);
      const isThere = (await customers()).includes('c-unknown');
      assert.equal(isThere, fate === 'unanswered');
      const retry = await placing(key, 'c-unknown');
      assert.deepEqual([retry.status, retry.headers['idempotency-replayed']], [201, isThere ? 'true' : undefined]);
      assert.deepEqual(await customers(), ['c-later', 'c-unknown']);
    });
  }

  /* The network has kept what was sent, and hands it to the database after the server has given up on it. */
  for (const fate of ['late', 'all late']) {
    for (const lateMs of [300, 2500]) {
      scenario(`a COMMIT arrives ${lateMs} ms late (${fate}): it counts once, or never`, async (counter) => {
        const { shop, proxy, sku, placing } = counter;
        await placing(newKey(), 'c-before');
        const done = proxy.atNextCommit(fate);
        const answering = shop.post('/v1/orders', order('c-late', { [sku]: 1 }), undefined);
        await done;
        await sleep(lateMs);
        proxy.deliver();
        const answer = await answering;
        await sleep(500);
        const there = (await shop.all(`/v1/orders?sku=${sku}&customer_id=c-late`)).map((one) => one.order_id);
        if (answer.status === 201) {
          assert.deepEqual(there, [answer.body.order_id]);
        } else {
          assert.deepEqual([answer.status, answer.body.code], [503, 'store_unavailable']);
          assert.deepEqual(there, []);
        }
      });
    }
  }

  scenario('again and again in a rush', async ({ shop, proxy }) => {
    const rush = new Rush([shop], await shop.sells(1_000_000));
    for (let i = 0; i < 20; i += 1) {
      await rush.goesOn(20);
      await proxy.atNextCommit(i % 2 === 0 ? 'unanswered' : 'unsent');
    }
    await rush.goesOn(50);
    await rush.stop();
    await rush.reckon(shop);
  });

  scenario('a server that is stopped while it wants to find out ends in good order', async (counter) => {
    const { shop, proxy, placing, customers } = counter;
    const done = proxy.atNextCommit('unanswered', { isLast: true });
    const answering = placing(newKey(), 'c-stopped');
    await done;
    proxy.unreachable();
    await sleep(300);
    await shop.stop();
    const answer = await answering;
    assert.deepEqual([answer.status, answer.body.code], [503, 'outcome_unknown']);
    proxy.reachable();
    await shop.start();
    assert.deepEqual(await customers(), ['c-stopped']);
  });
});
