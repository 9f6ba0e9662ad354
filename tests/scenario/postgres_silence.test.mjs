/* Nothing is refused and nothing is closed, there is just no answer: a cable is out, a lock is held. Clients are told
 * within a bounded time, and all is well when it is over. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { Session, sql } from './support/database.mjs';
import { Listener } from './support/listener.mjs';
import { createKey } from './support/program.mjs';
import { withProxy } from './support/proxy.mjs';
import { Rush } from './support/rush.mjs';
import { endShops, newKey, order, Shop, sleep, tally, times, until } from './support/shop.mjs';

const TIMEOUT = { timeout: 90_000 };
const ANSWER_MS = 30_000; /* whatever the network does */

const within = async (limitMs, what, promise) => {
  const started = Date.now();
  const result = await promise;
  assert.ok(Date.now() - started <= limitMs, `${what} took ${Date.now() - started} ms`);
  return result;
};

describe('the connection falls silent', { concurrency: 4 }, () => {
  test('in a rush: nobody waits for long, and the next connection is as good as new', TIMEOUT, () =>
    withProxy(async (shop, proxy) => {
      const rush = new Rush([shop], await shop.sells(1_000_000));
      await rush.goesOn(100);
      proxy.freeze();
      await rush.goesOn(100, 30_000);
      await rush.stop();
      assert.ok(rush.slowestMs < ANSWER_MS, `an answer took ${rush.slowestMs} ms`);
      await rush.reckon(shop);
    }),
  );

  test('right behind a COMMIT: the clients get the truth', TIMEOUT, () =>
    withProxy(async (shop, proxy) => {
      const sku = await shop.sells(100);
      const done = proxy.atNextCommit('frozen');
      const key = newKey();
      const body = order('c-1', { [sku]: 1 });
      const answer = await within(ANSWER_MS, 'the answer', shop.post('/v1/orders', body, undefined, { key }));
      await done;
      assert.equal(answer.status, 201, answer.text);
      const again = await shop.post('/v1/orders', body, 201, { key });
      assert.deepEqual(again.body, answer.body);
      assert.equal(await shop.stock(sku), '100 on hand, 1 reserved');
    }),
  );

  test('new connections, too: 503 until one goes through', TIMEOUT, () =>
    withProxy(async (shop, proxy) => {
      const sku = await shop.sells(100);
      const body = order('c-1', { [sku]: 1 });
      proxy.freeze({ newOnes: true });
      for (let i = 0; i < 2; i += 1) {
        const answers = await within(
          ANSWER_MS,
          'an answer',
          Promise.all([
            ...Array.from({ length: 5 }, () => shop.post('/v1/orders', body, undefined)),
            shop.look(`/v1/stock/${sku}`),
          ]),
        );
        assert.ok(
          answers.every(({ status }) => status === 503),
          answers.map(({ text }) => text).join('\n'),
        );
        await within(1000, 'a sign of life', shop.get('/healthz'));
        assert.equal((await within(1000, 'the state', shop.look('/readyz'))).status, 503);
      }
      proxy.thaw();
      await until('it sells', async () => (await shop.post('/v1/orders', body, undefined)).status === 201, 15_000);
      await until('it reads', async () => (await shop.look(`/v1/stock/${sku}`)).status === 200, 15_000);
      await until('it is ready', async () => (await shop.look('/readyz')).status === 200, 15_000);
    }),
  );

  test('once they have logged in, too', TIMEOUT, () =>
    withProxy(async (shop, proxy) => {
      const sku = await shop.sells(100);
      const body = order('c-1', { [sku]: 1 });
      proxy.freeze({ newOnes: 'ready' });
      const answers = await within(ANSWER_MS, 'an answer', times(5, () => shop.post('/v1/orders', body, undefined)));
      assert.ok(
        answers.every(({ status }) => status === 503),
        JSON.stringify(tally(answers)),
      );
      proxy.thaw();
      await until('it sells', async () => (await shop.post('/v1/orders', body, undefined)).status === 201, 20_000);
    }),
  );
});

describe('somebody else holds a lock', { concurrency: 4 }, () => {
  const lockedRow = (sku) =>
    `BEGIN; SELECT 1 FROM stock_levels JOIN product_variants USING (variant_id) WHERE sku = '${sku}'
     FOR UPDATE OF stock_levels;`;

  test('on the hot row: its buyers wait or are told so, and go on when it is released', TIMEOUT, async () => {
    const shop = new Shop({ connections: 30 });
    await shop.start();
    const [hot, cold] = [await shop.sells(1000), await shop.sells(1000)];
    const session = await Session.open(shop.database);
    await session.tell(lockedRow(hot));
    const buying = (sku) => shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined);
    const answers = await within(ANSWER_MS, 'an answer', Promise.all([...Array(10).fill(hot)].map(buying)));
    assert.ok(
      answers.every(({ status, body }) => status === 503 && body.code !== 'outcome_unknown'),
      JSON.stringify(tally(answers)),
    );
    await shop.get(`/v1/stock/${hot}`);
    await shop.get('/healthz');
    await session.tell('ROLLBACK;');
    await until('it sells again', async () => (await buying(hot)).status === 201, 5000);
    assert.equal((await buying(cold)).status, 201);
    assert.equal(await shop.stock(hot), '1000 on hand, 1 reserved');
    await session.close();
    await endShops(shop);
  });

  test('for a second: nobody is refused', TIMEOUT, async () => {
    const shop = new Shop({ connections: 30 });
    await shop.start();
    const sku = await shop.sells(1000);
    const session = await Session.open(shop.database);
    await session.tell(lockedRow(sku));
    const buying = times(10, () => shop.places({ [sku]: 1 }));
    await sleep(1000);
    await session.tell('COMMIT;');
    await buying;
    await session.close();
    await endShops(shop);
  });

  test('and changed the row: what it left counts', TIMEOUT, async () => {
    const shop = new Shop({ connections: 30 });
    await shop.start();
    const sku = await shop.sells(10);
    const session = await Session.open(shop.database);
    await session.tell(`BEGIN; UPDATE stock_levels SET stock_quantity = 3, version = version + 1
      WHERE variant_id = (SELECT variant_id FROM product_variants WHERE sku = '${sku}');
      INSERT INTO stock_movements (movement_id, variant_id, delta, reason, stock_quantity, created_at)
      SELECT gen_random_uuid(), variant_id, -7, 'initial', 3, clock_timestamp() FROM product_variants
      WHERE sku = '${sku}';`);
    const buying = times(10, () => shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined));
    await sleep(300);
    await session.tell('COMMIT;');
    assert.deepEqual(tally(await buying), { 201: 3, '409 insufficient_stock': 7 });
    await session.close();
    await endShops(shop);
  });

  test('on a whole table: the server says so, stops in good order, and works when it is gone', TIMEOUT, async () => {
    const shop = new Shop({ connections: 30 });
    await shop.start();
    const sku = await shop.sells(10);
    const session = await Session.open(shop.database);
    await session.tell('BEGIN; LOCK TABLE orders IN ACCESS EXCLUSIVE MODE;');
    const answer = await within(
      ANSWER_MS,
      'an answer',
      shop.post('/v1/orders', order('c-1', { [sku]: 1 }), undefined),
    );
    assert.equal(answer.status, 503);
    const reading = within(ANSWER_MS, 'a read', shop.look('/v1/orders'));
    assert.equal((await reading).status, 503);
    await within(ANSWER_MS, 'the end', shop.stop());
    await session.tell('ROLLBACK;');
    await session.close();
    await shop.start();
    await shop.places({ [sku]: 1 });
    await endShops(shop);
  });

  test('on what a stream begins with: a key that is revoked meanwhile ends it all the same', TIMEOUT, async () => {
    const shop = new Shop();
    await shop.migrate();
    const late = await createKey(shop.database, 'read', 'late');
    shop.bearer = await createKey(shop.database, 'admin');
    await shop.start();
    const session = await Session.open(shop.database);
    await session.tell('BEGIN; LOCK TABLE counters IN ACCESS EXCLUSIVE MODE;');
    const opening = Listener.open(shop, { bearer: late });
    await sleep(300); /* its key was judged, its read waits */
    sql(shop.database, "UPDATE api_keys SET revoked_at = clock_timestamp() WHERE name = 'late';");
    await until('the key counts no more', async () => (await shop.look('/v1/orders', { bearer: late })).status === 401);
    await session.tell('ROLLBACK;');
    await session.close();
    const listener = await opening;
    await until('its stream ends', () => listener.isClosed, 2000);
    await endShops(shop);
  });
});
