/* Who is refused, and who has to wait, on a database with other users: nobody for what is not his own. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { newSchema, POSTGRES, psql, Session } from './support/database.mjs';
import { runs, temporaryFolder } from './support/program.mjs';
import { Proxy } from './support/proxy.mjs';
import { endShops, euro, newKey, order, Shop, sleep, tally, times, until } from './support/shop.mjs';

const TIMEOUT = { timeout: 60_000 };

const levelOf = (sku) => `variant_id = (SELECT variant_id FROM product_variants WHERE sku = '${sku}')`;

/* Runs `deed` and says how long it took. */
async function timed(deed) {
  const begin = Date.now();
  const answer = await deed();
  return { answer, ms: Date.now() - begin };
}

describe('a row that somebody keeps locked', () => {
  test('concerns whoever wants it: other SKUs are sold, also where its own hold is overdue', TIMEOUT, async () => {
    const shop = new Shop({ connections: 30 });
    await shop.start();
    const cold = await shop.sells(10);
    const hot = await shop.sells(1000);
    await shop.places({ [cold]: 1 }, { hold_seconds: 1 });
    const session = await Session.open(shop.database);
    await session.tell(`BEGIN; SELECT FROM stock_levels WHERE ${levelOf(cold)} FOR UPDATE;`);
    await sleep(1200);
    const first = await timed(() => shop.post('/v1/orders', order('c-1', { [hot]: 1 }), 201));
    assert.ok(first.ms < 4000, `the first order took ${first.ms} ms`);
    for (let i = 0; i < 10; i += 1) {
      const { ms } = await timed(() => shop.post('/v1/orders', order('c-1', { [hot]: 1 }), 201));
      assert.ok(ms < 1000, `an order of another SKU took ${ms} ms`);
    }
    const [both, other] = await Promise.all([
      timed(() => shop.post('/v1/orders', order('c-2', { [hot]: 1, [cold]: 1 }), '503 store_unavailable')),
      timed(() => shop.post('/v1/orders', order('c-3', { [hot]: 1 }), 201)),
    ]);
    assert.ok(both.ms < 2000 && other.ms < 2000, `${both.ms} and ${other.ms} ms`);
    const told = shop.server.log.find(({ event }) => event === 'rows_locked');
    assert.match(told?.message ?? '', /lock timeout/);
    await session.tell('COMMIT;');
    await session.close();
    await until('the overdue hold is released', async () => (await shop.stock(cold)) === '10 on hand, 0 reserved');
    await shop.places({ [cold]: 10 });
    await endShops(shop);
  });
});

describe('refusals', () => {
  test('are quick while a hold that cannot be expired is set aside', TIMEOUT, async () => {
    const shop = new Shop({});
    await shop.start();
    const sku = await shop.sells(1);
    const damaged = await shop.sells(5);
    await shop.places({ [sku]: 1 });
    await shop.places({ [damaged]: 1 }, { hold_seconds: 1 });
    psql(shop.database, `UPDATE stock_levels SET reserved_quantity = 0, version = version + 1 WHERE ${levelOf(damaged)}`);
    await until('it is set aside', async () => shop.server.logText().includes('payment_timeout_set_aside'));
    for (let i = 0; i < 3; i += 1) {
      const { ms } = await timed(() => shop.post('/v1/orders', order('c-2', { [sku]: 1 }), '409 insufficient_stock'));
      assert.ok(ms < 2000, `a refusal took ${ms} ms`);
    }
    psql(shop.database, `UPDATE stock_levels SET reserved_quantity = 1, version = version + 1 WHERE ${levelOf(damaged)}`);
    await until('it is released', async () => (await shop.stock(damaged)) === '5 on hand, 0 reserved', 15_000);
    await endShops(shop);
  });

  /* Waits, in the middle of loading, for somebody who locks the table of keys over the deadline of a hold. */
  const overTheDeadline = async (shop, begin, request) => {
    const session = await Session.open(shop.database);
    await sleep(1600 - (Date.now() - begin));
    await session.tell('BEGIN; LOCK TABLE idempotency_keys;');
    const answering = request();
    await sleep(1000);
    await session.tell('COMMIT;');
    await session.close();
    return answering;
  };

  test('do not count a hold that is over against what a customer may have', TIMEOUT, async () => {
    const shop = new Shop({});
    await shop.start();
    const sku = await shop.sells(10, { max_per_customer: 1 });
    const begin = Date.now();
    await shop.places({ [sku]: 1 }, { hold_seconds: 2, customer: 'c-9' });
    const answer = await overTheDeadline(shop, begin, () =>
      shop.post('/v1/orders', order('c-9', { [sku]: 1 }), undefined, { key: newKey() }),
    );
    assert.equal(answer.status, 201, answer.text);
    await endShops(shop);
  });

  test('count a hold that is paid at its deadline, whatever the time that decides', TIMEOUT, async () => {
    const shop = new Shop({});
    await shop.start();
    const sku = await shop.sells(10, { max_per_customer: 1 });
    const other = await shop.sells(10);
    const begin = Date.now();
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 2, customer: 'c-9' });
    /* The first to lock has somebody else's order wait, so that payment and order gather behind it; the second has
     * these two wait in one batch, over the deadline. */
    const first = await Session.open(shop.database);
    const second = await Session.open(shop.database);
    await sleep(1000 - (Date.now() - begin));
    await first.tell('BEGIN; LOCK TABLE idempotency_keys;');
    const ahead = shop.post('/v1/orders', order('c-1', { [other]: 1 }), 201, { key: newKey() });
    await sleep(200);
    const paying = shop.post(`/v1/orders/${placed.order_id}/pay`, { payment_reference: newKey('pi') }, 200);
    const ordering = shop.post('/v1/orders', order('c-9', { [sku]: 1 }), undefined, { key: newKey() });
    const locking = second.tell('BEGIN; LOCK TABLE idempotency_keys;');
    await sleep(200);
    await first.tell('COMMIT;');
    await Promise.all([ahead, locking]);
    await sleep(2200 - (Date.now() - begin));
    await second.tell('COMMIT;');
    const [paid, ordered] = await Promise.all([paying, ordering]);
    /* Either it was over for both, or for neither. */
    assert.ok(paid.body.revived === true || ordered.status === 409, `${paid.text} ${ordered.text}`);
    await first.close();
    await second.close();
    await endShops(shop);
  });

  test('are not for stock that only a hold ties up which is over, and which somebody keeps locked', TIMEOUT, async () => {
    const shop = new Shop({});
    await shop.start();
    const sku = await shop.sells(1);
    const placed = await shop.places({ [sku]: 1 }, { hold_seconds: 1 });
    const session = await Session.open(shop.database);
    await session.tell(`BEGIN; SELECT FROM orders WHERE order_id = '${placed.order_id}' FOR UPDATE;`);
    await sleep(1200);
    await shop.post('/v1/orders', order('c-2', { [sku]: 1 }), '503 store_unavailable');
    await session.tell('COMMIT;');
    await session.close();
    await until('it is released', async () => (await shop.stock(sku)) === '1 on hand, 0 reserved');
    await shop.places({ [sku]: 1 });
    await endShops(shop);
  });
});

describe('side by side', () => {
  test('a retried order and its payment on two servers do not wait for each other', TIMEOUT, async () => {
    const shop = new Shop({});
    await shop.start();
    const twin = await shop.twin();
    const sku = await shop.sells(100);
    const key = newKey();
    const placed = await shop.places({ [sku]: 1 }, { key });
    await shop.places({ [sku]: 1 });
    await twin.places({ [sku]: 1 });
    const session = await Session.open(shop.database);
    await session.tell('BEGIN; LOCK TABLE idempotency_keys;');
    const replay = shop.post('/v1/orders', order('c-1', { [sku]: 1 }), 201, { key });
    await sleep(200);
    const payment = twin.pays(placed);
    await sleep(300);
    await session.tell('COMMIT;');
    assert.equal((await replay).headers['idempotency-replayed'], 'true');
    await payment;
    await session.close();
    for (const one of [shop, twin]) {
      const { text } = await one.get('/metrics');
      assert.doesNotMatch(text, /store_errors_total\{kind="conflict"\} [1-9]/, 'a deadlock');
    }
    await endShops(shop, twin);
  });

  test('the first batch of a process is not done twice either', TIMEOUT, async () => {
    for (const fate of ['late', 'all late']) {
      const proxy = await Proxy.open(Number(new URL(POSTGRES).port));
      const database = newSchema();
      const before = new Shop({ database });
      await before.start();
      const sku = await before.sells(1000);
      await before.stop();
      before.close();
      const shop = new Shop({ database, via: proxy.via(database) });
      await shop.start();
      const cut = proxy.atNextCommit(fate);
      const answering = shop.post('/v1/orders', order('c-late', { [sku]: 1 }), undefined);
      await cut;
      await sleep(300);
      proxy.deliver();
      const answer = await answering;
      await sleep(500);
      const there = (await shop.all(`/v1/orders?sku=${sku}`)).map((one) => one.order_id);
      assert.deepEqual(there, answer.status === 201 ? [answer.body.order_id] : []);
      await shop.stop();
      shop.close();
      await proxy.close();
    }
  });

  test('a batch stays quick when the tables have grown since it was first planned', TIMEOUT, async () => {
    const shop = new Shop({ connections: 64 });
    await shop.start();
    const sku = await shop.sells(1_000_000, { price: euro(1) });
    await shop.pays(await shop.places({ [sku]: 1 }));
    psql(shop.database, 'ANALYZE'); /* now it is known that all tables are tiny */
    await shop.pays(await shop.places({ [sku]: 1 }));
    const orders = Array.from({ length: 500 }, (_, i) => order(`c-${i}`, { [sku]: 1 }));
    let last;
    for (let i = 0; i < 40; i += 1) {
      last = await shop.post('/v1/orders/batch', { orders }, 200);
    }
    const drafts = last.body.results.slice(0, 200).map((result) => result.order);
    const { ms } = await timed(() => times(drafts.length, (i) => shop.pays(drafts[i])));
    assert.ok(ms < 2000, `200 payments beside 20,000 drafts took ${ms} ms`);

    const file = join(temporaryFolder(), 'catalogue.csv');
    const rows = Array.from({ length: 20_000 }, (_, i) => `grown-${i},Grown,1.00,EUR,10`);
    writeFileSync(file, ['sku,title,price,currency,stock_quantity', ...rows].join('\n'));
    await runs(['import', file, '--database', shop.database]);
    const spread = Array.from({ length: 1000 }, (_, i) => order(`c-${i}`, { [`grown-${i * 20}`]: 1 }));
    const batch = await timed(() => shop.post('/v1/orders/batch', { orders: spread }, 200));
    assert.deepEqual(tally(batch.answer.body.results), { 201: 1000 });
    assert.ok(batch.ms < 2000, `1,000 orders of as many SKUs out of 20,000 took ${batch.ms} ms`);
    await endShops(shop);
  });
});
