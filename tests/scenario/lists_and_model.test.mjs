/* Every filter of every list against a model in memory, over many orders of every kind: fresh, after a restart, and
 * after a crash. Prints its seed; HOLDFAST_SEED=... repeats a run. */

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { newKey, order, Shop } from './support/shop.mjs';

const seed = Number(process.env.HOLDFAST_SEED ?? Date.now() % 1_000_000);

/* mulberry32: small, and the same everywhere. */
function randomSource(start) {
  let state = start;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

const newestFirst = (a, b) => (a.order_id < b.order_id ? 1 : -1);

async function settle(shop, random, orders) {
  for (const one of orders) {
    const fate = random(4);
    const path = `/v1/orders/${one.order_id}`;
    if (fate === 0) {
      one.status = (await shop.pays(one)).status;
    } else if (fate === 1) {
      one.status = (await shop.post(`${path}/cancel`, {}, 200)).body.status;
    }
  }
}

async function placeSome(shop, random, skus, customers, count) {
  const placed = [];
  for (let i = 0; i < count; i += 1) {
    const lines = Array.from({ length: 1 + random(3) }, () => ({
      sku: skus[random(skus.length)],
      quantity: 1 + random(2),
    }));
    const { body } = await shop.post(
      '/v1/orders',
      {
        customer_id: customers[random(customers.length)],
        items: lines,
        hold_seconds: random(4) === 0 ? 1 : 600,
      },
      201,
    );
    placed.push({ ...body, isShort: Date.parse(body.expires_at) - Date.parse(body.created_at) === 1000 });
  }
  await settle(
    shop,
    random,
    placed.filter((one) => !one.isShort),
  );
  return placed;
}

async function agrees(shop, random, model, skus, customers) {
  const pick = (values) => (random(2) === 0 ? undefined : values[random(values.length)]);
  const instants = model.map((one) => one.created_at);
  for (let i = 0; i < 60; i += 1) {
    const filter = {
      status: pick(['draft', 'paid', 'cancelled', 'expired']),
      customer_id: pick([...customers, 'nobody']),
      sku: pick([...skus, 'nothing']),
      created_after: pick(instants),
      created_before: pick(instants),
    };
    const wanted = model.filter(
      (one) =>
        (filter.status === undefined || one.status === filter.status) &&
        (filter.customer_id === undefined || one.customer_id === filter.customer_id) &&
        (filter.sku === undefined || one.items.some((item) => item.sku === filter.sku)) &&
        (filter.created_after === undefined || one.created_at >= filter.created_after) &&
        (filter.created_before === undefined || one.created_at < filter.created_before),
    );
    const given = Object.entries(filter).filter(([, value]) => value !== undefined);
    const query = given.map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
    const rows = await shop.all(`/v1/orders?${query}`, 1 + random(40));
    assert.deepEqual(
      rows.map((row) => row.order_id),
      wanted.sort(newestFirst).map((one) => one.order_id),
      `seed ${seed}: ${query}`,
    );
    assert.ok(rows.every((row) => filter.status === undefined || row.status === filter.status));
  }
  const held = { draft: 'active', paid: 'converted', cancelled: 'released', expired: 'released' };
  for (const sku of skus) {
    for (const status of [undefined, 'active', 'converted', 'released']) {
      const wanted = model.flatMap((one) =>
        one.items
          .filter((item) => item.sku === sku && (status === undefined || held[one.status] === status))
          .map((item) => `${one.order_id} ${item.line} ${item.quantity} ${held[one.status]}`),
      );
      const rows = await shop.all(
        `/v1/reservations?sku=${sku}${status === undefined ? '' : `&status=${status}`}`,
        1 + random(40),
      );
      assert.deepEqual(
        rows.map((row) => `${row.order_id} ${row.line} ${row.quantity} ${row.status}`).sort(),
        wanted.sort(),
        `seed ${seed}: ${sku} ${status}`,
      );
    }
    const sold = model
      .filter((one) => one.status === 'paid')
      .flatMap((one) => one.items)
      .filter((item) => item.sku === sku);
    const reserved = model
      .filter((one) => one.status === 'draft')
      .flatMap((one) => one.items)
      .filter((item) => item.sku === sku);
    const sum = (items) => items.reduce((total, item) => total + item.quantity, 0);
    assert.equal(await shop.stock(sku), `${100_000 - sum(sold)} on hand, ${sum(reserved)} reserved`);
  }
}

describe('lists and the model', () => {
  test('agree, fresh, after a restart and after a crash', { timeout: 120_000 }, async (t) => {
    t.diagnostic(`seed ${seed}`);
    const random = randomSource(seed);
    const shop = new Shop();
    await shop.start();
    const skus = [];
    for (let i = 0; i < 4; i += 1) {
      skus.push(await shop.sells(100_000));
    }
    const customers = ['ada', 'ben', 'cleo', 'Zoë 客', 'a&b=c d+e%'];
    const model = [];
    for (const restart of [null, () => shop.stop(), () => shop.kill()]) {
      model.push(...(await placeSome(shop, random, skus, customers, 60)));
      if (restart !== null) {
        await restart();
        await shop.start();
      }
      for (const one of model.filter(({ isShort }) => isShort)) {
        one.status = (await shop.expired(one)).status;
      }
      await agrees(shop, random, model, skus, customers);
    }
    await shop.stop();
    shop.close();
    await shop.audit();
  });
});

describe('a hundred thousand orders', () => {
  const BATCHES = 120;
  const batch = (sku, n) => ({
    orders: Array.from({ length: 1000 }, (_, i) =>
      order(`customer-${(n * 1000 + i) % 997}`, { [sku]: 1 }, { idempotency_key: `many-${sku}-${n}-${i}` }),
    ),
  });

  test('keep their keys and customers, across a crash too', { timeout: 120_000 }, async () => {
    const shop = new Shop({ connections: 4 });
    await shop.start();
    const sku = await shop.sells(1_000_000);
    const placed = [];
    for (let n = 0; n < BATCHES; n += 1) {
      const { body } = await shop.post('/v1/orders/batch', batch(sku, n), 200);
      placed.push(body.results.map((result) => result.order));
    }
    const count = BATCHES * 1000;
    const check = async () => {
      assert.equal(await shop.stock(sku), `1000000 on hand, ${count} reserved`);
      for (const n of [0, 1, 37, 64, 65, 66, 98, 118, BATCHES - 1]) {
        const { body } = await shop.post('/v1/orders/batch', batch(sku, n), 200);
        assert.ok(
          body.results.every((result) => result.replayed === true),
          `batch ${n} was not recognised`,
        );
        assert.deepEqual(
          body.results.map((result) => result.order),
          placed[n],
        );
      }
      const flat = placed.flat();
      for (const customer of [0, 1, 500, 996]) {
        const wanted = flat
          .filter((one) => one.customer_id === `customer-${customer}`)
          .map((one) => one.order_id)
          .reverse();
        const rows = await shop.all(`/v1/orders?customer_id=customer-${customer}`);
        assert.deepEqual(
          rows.map((row) => row.order_id),
          wanted,
        );
      }
      const other = await shop.post('/v1/orders', order('c', { [sku]: 1 }), '422 idempotency_key_reused', {
        key: `many-${sku}-3-7`,
      });
      assert.equal(other.body.status, 422);
      assert.equal(await shop.stock(sku), `1000000 on hand, ${count} reserved`);
    };
    await check();

    /* Customer 500 has 120 of them. */
    const limited = async (expected) => shop.post('/v1/orders', order('customer-500', { [sku]: 1 }), expected);
    await shop.patch(`/v1/variants/${sku}`, { max_per_customer: 121 }, 200);
    const { body: last } = await limited(201);
    assert.equal((await limited('409 purchase_limit')).body.already, 121);
    await shop.kill();
    await shop.start();
    assert.equal((await limited('409 purchase_limit')).body.already, 121);
    await shop.post(`/v1/orders/${last.order_id}/cancel`, {}, 200);
    placed.push([last]);
    await check();
    await shop.stop();
    await shop.start();
    await check();
    await shop.stop();
    shop.close();
    await shop.audit();
  });
});
