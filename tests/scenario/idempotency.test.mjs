import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { euro, newKey, order, Shop, tally, times, useShop } from './support/shop.mjs';

describe('idempotency keys', () => {
  const shop = useShop();
  const replays = (answer) => answer.headers['idempotency-replayed'] === 'true';
  const place = (body, key, expected = 201) => shop.post('/v1/orders', body, expected, { key });

  test('a request that comes again is answered again, and has one effect', async () => {
    const sku = await shop.sells(10);
    const [key, body] = [newKey(), order('c-1', { [sku]: 2 }, { metadata: { a: 'b' } })];
    const first = await place(body, key);
    const again = await place(body, key);
    assert.deepEqual([replays(first), replays(again)], [false, true]);
    assert.equal(again.text, first.text);
    assert.deepEqual([again.headers.location, again.headers.etag], [first.headers.location, first.headers.etag]);
    assert.equal(await shop.stock(sku), '10 on hand, 2 reserved');
  });

  test('it is answered as it was then, whatever became of the order', async () => {
    const sku = await shop.sells(10);
    const deeds = {
      pay: (placed) => shop.pays(placed),
      cancel: ({ order_id: id }) => shop.post(`/v1/orders/${id}/cancel`, {}, 200),
      extend: ({ order_id: id }) => shop.post(`/v1/orders/${id}/extend`, { seconds: 60 }, 200),
    };
    for (const [name, deed] of Object.entries(deeds)) {
      const [key, body] = [newKey(), order('c-1', { [sku]: 1 })];
      const first = await place(body, key);
      await deed(first.body);
      assert.equal((await place(body, key)).text, first.text, name);
    }
    const [key, body] = [newKey(), order('c-1', { [sku]: 1 }, { hold_seconds: 1 })];
    const first = await place(body, key);
    await shop.expired(first.body);
    assert.equal((await place(body, key)).text, first.text);
    await shop.patch(`/v1/variants/${sku}`, { price: euro(5) }, 200);
    assert.equal((await place(body, key)).text, first.text);
  });

  test('the same key for another request is refused', async () => {
    const sku = await shop.sells(10);
    const key = newKey();
    const { body: placed } = await place(order('c-1', { [sku]: 1 }), key);
    await place(order('c-1', { [sku]: 2 }), key, '422 idempotency_key_reused');
    await place(order('c-2', { [sku]: 1 }), key, '422 idempotency_key_reused');
    await shop.post(`/v1/orders/${placed.order_id}/cancel`, {}, '422 idempotency_key_reused', { key });
    await shop.post('/v1/products', { title: 'T', sku: key, price: euro(1) }, '422 idempotency_key_reused', { key });
    const raw = ` ${JSON.stringify(order('c-1', { [sku]: 1 }))}`;
    await shop.post('/v1/orders', undefined, '422 idempotency_key_reused', { key, raw });
    assert.equal(await shop.stock(sku), '10 on hand, 1 reserved');
  });

  test('twenty requests that race with one key have one effect', async () => {
    const sku = await shop.sells(100);
    for (let round = 0; round < 5; round += 1) {
      const [key, body] = [newKey(), order(`c-${round}`, { [sku]: 1 })];
      const answers = await times(20, () => place(body, key));
      assert.equal(new Set(answers.map((answer) => answer.text)).size, 1);
      assert.equal(answers.filter(replays).length, 19);
    }
    assert.equal(await shop.stock(sku), '100 on hand, 5 reserved');
  });

  test('requests that differ and race with one key: one wins, the others are told', async () => {
    const sku = await shop.sells(100);
    const key = newKey();
    const answers = await times(20, (i) => shop.post('/v1/orders', order(`c-${i}`, { [sku]: 1 }), undefined, { key }));
    assert.deepEqual(tally(answers), { 201: 1, '422 idempotency_key_reused': 19 });
    assert.equal(await shop.stock(sku), '100 on hand, 1 reserved');
  });

  test('a refusal that changed nothing is not kept: the same key may try again', async () => {
    const sku = await shop.sells(0);
    const [key, body] = [newKey(), order('c-1', { [sku]: 1 })];
    await place(body, key, '409 insufficient_stock');
    await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 1 }, 201);
    assert.equal(replays(await place(body, key)), false);
    const other = newKey();
    await place(order('c-1', { [sku]: 0 }), other, '422 invalid_quantity');
    await shop.post(`/v1/stock/${sku}/adjustments`, { delta: 1 }, 201);
    await place(order('c-1', { [sku]: 1 }), other);
  });

  test('a refusal that recorded money is kept', async () => {
    const sku = await shop.sells(5);
    const placed = await shop.places({ [sku]: 1 });
    const path = `/v1/orders/${placed.order_id}/pay`;
    const [key, body] = [newKey(), { payment_reference: newKey('pi'), amount: euro(1) }];
    const first = await shop.post(path, body, '422 amount_mismatch', { key });
    await shop.pays(placed);
    const again = await shop.post(path, body, '422 amount_mismatch', { key });
    assert.equal(replays(again), true);
    assert.equal(again.text, first.text, 'the order is shown as it was then');
    const late = [newKey(), { payment_reference: newKey('pi') }];
    const refused = await shop.post(path, late[1], '409 already_paid', { key: late[0] });
    assert.equal((await shop.post(path, late[1], '409 already_paid', { key: late[0] })).text, refused.text);
  });

  test('every POST keeps its answer', async () => {
    const sku = await shop.sells(50);
    const placed = await shop.places({ [sku]: 1 });
    const other = await shop.places({ [sku]: 1 });
    const fresh = newKey('product');
    const requests = [
      ['/v1/products', { title: 'T', sku: fresh, price: euro(1) }],
      [`/v1/stock/${sku}/adjustments`, { delta: 1 }],
      ['/v1/orders', order('c-1', { [sku]: 1 })],
      ['/v1/orders/batch', { orders: [order('c-1', { [sku]: 1 }), order('c-1', { [sku]: 1000 }), { nonsense: true }] }],
      [`/v1/orders/${placed.order_id}/extend`, { seconds: 5 }],
      [`/v1/orders/${placed.order_id}/pay`, { payment_reference: newKey('pi') }],
      [`/v1/orders/${other.order_id}/cancel`, { reason: 'x' }],
      [`/v1/orders/${other.order_id}/cancel`, undefined],
    ];
    for (const [path, body] of requests) {
      const key = newKey();
      const first = await shop.post(path, body, undefined, { key });
      const before = await shop.stock(sku);
      const again = await shop.post(path, body, first.status, { key });
      assert.ok(first.status < 300, `${path} answered ${first.text}`);
      assert.deepEqual([replays(first), replays(again)], [false, true], path);
      assert.equal(again.text, first.text, path);
      assert.equal(again.headers.etag, first.headers.etag, path);
      assert.equal(again.headers.location, first.headers.location, path);
      assert.equal(await shop.stock(sku), before, path);
    }
  });

  test('keys are 1 to 255 visible ASCII characters, sent once', async () => {
    const sku = await shop.sells(50);
    const body = order('c-1', { [sku]: 1 });
    await place(body, '!');
    await place(body, `~${newKey()}`.padEnd(255, 'x'));
    for (const key of ['', 'x'.repeat(256), 'a b', 'caf\u00e9', 'a\tb']) {
      const { body: problem } = await place(body, key, '422 invalid_request');
      assert.equal(problem.errors[0].field, 'Idempotency-Key');
    }
    const twice = await shop.post('/v1/orders', body, '422 invalid_request', {
      headers: { 'Idempotency-Key': ['a', 'b'] },
    });
    assert.equal(twice.body.errors[0].field, 'Idempotency-Key');
  });
});

describe('orders in a batch', () => {
  const shop = useShop();
  const batch = async (orders, expected = 200, options) =>
    (await shop.post('/v1/orders/batch', { orders }, expected, options)).body;

  test('each member stands alone, in the order of the request', async () => {
    const [plenty, few] = [await shop.sells(10), await shop.sells(1)];
    const { results } = await batch([
      order('c-1', { [plenty]: 1 }),
      order('c-1', { [few]: 2 }),
      { items: [] },
      order('c-1', { nowhere: 1 }),
      order('c-1', { [few]: 1 }),
      order('c-1', { [few]: 1 }),
      order('c-1', { [plenty]: 0 }),
      7,
      order('c-1', { [plenty]: 1 }, { colour: 'red' }),
    ]);
    assert.deepEqual(
      results.map((result) => [result.status, result.problem?.code]),
      [
        [201, undefined],
        [409, 'insufficient_stock'],
        [422, 'invalid_request'],
        [422, 'unknown_sku'],
        [201, undefined],
        [409, 'insufficient_stock'],
        [422, 'invalid_quantity'],
        [422, 'invalid_request'],
        [422, 'unknown_field'],
      ],
    );
    assert.equal(await shop.stock(plenty), '10 on hand, 1 reserved');
    assert.deepEqual(await shop.sees(results[0].order), { ...results[0].order, payments: [] });
  });

  test('a batch has 1 to 1,000 orders', async () => {
    const sku = await shop.sells(5000);
    await batch([], '422 invalid_request');
    const members = (count) => Array.from({ length: count }, (_, i) => order(`c-${i}`, { [sku]: 1 }));
    await batch(members(1001), '422 invalid_request');
    assert.equal((await batch(members(1000))).results.filter((result) => result.status === 201).length, 1000);
    await shop.post('/v1/orders/batch', {}, '422 invalid_request');
    await shop.post('/v1/orders/batch', { orders: [order('c', { [sku]: 1 })], more: 1 }, '422 unknown_field');
    assert.equal(await shop.stock(sku), '5000 on hand, 1000 reserved');
  });

  test("members' keys share the header's namespace", async () => {
    const sku = await shop.sells(50);
    const member = newKey();
    const first = await batch([order('c-1', { [sku]: 1 }, { idempotency_key: member })]);
    const again = await batch([order('c-2', { [sku]: 1 }), order('c-1', { [sku]: 1 }, { idempotency_key: member })]);
    assert.deepEqual(
      [first.results[0].replayed, again.results[0].replayed, again.results[1].replayed],
      [undefined, undefined, true],
    );
    assert.deepEqual(again.results[1].order, first.results[0].order);
    const reused = await batch([order('c-1', { [sku]: 5 }, { idempotency_key: member })]);
    assert.equal(reused.results[0].problem.code, 'idempotency_key_reused');
    await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), '422 idempotency_key_reused', { key: member });
    const header = newKey();
    await shop.post('/v1/orders', order('c-1', { [sku]: 1 }), 201, { key: header });
    const taken = await batch([order('c-1', { [sku]: 1 }, { idempotency_key: header })]);
    assert.equal(taken.results[0].problem.code, 'idempotency_key_reused');
    assert.equal(await shop.stock(sku), '50 on hand, 3 reserved');
  });

  test('one key twice in a batch has one effect', async () => {
    const sku = await shop.sells(50);
    const twin = order('c-1', { [sku]: 1 }, { idempotency_key: newKey() });
    const { results } = await batch([twin, twin, { ...twin, customer_id: 'c-2' }]);
    assert.deepEqual(
      results.map((result) => result.status),
      [201, 201, 422],
    );
    assert.equal(results[1].replayed, true);
    assert.deepEqual(results[1].order, results[0].order);
    assert.equal(await shop.stock(sku), '50 on hand, 1 reserved');
  });

  test("a member's key does not care for the order of its fields", async () => {
    const sku = await shop.sells(50);
    const key = newKey();
    await batch([{ customer_id: 'c-1', items: [{ sku, quantity: 1 }], idempotency_key: key }]);
    const { results } = await batch([{ idempotency_key: key, items: [{ quantity: 1, sku }], customer_id: 'c-1' }]);
    assert.equal(results[0].replayed, true);
  });

  test('a malformed member key refuses its member alone', async () => {
    const sku = await shop.sells(50);
    const { results } = await batch([order('c', { [sku]: 1 }, { idempotency_key: 'a b' }), order('c', { [sku]: 1 })]);
    assert.deepEqual(
      results.map((result) => result.status),
      [422, 201],
    );
  });

  test('stock is shared out in the order of the members', async () => {
    const sku = await shop.sells(50);
    const { results } = await batch(Array.from({ length: 100 }, (_, i) => order(`c-${i}`, { [sku]: 1 })));
    assert.deepEqual(
      results.map((result) => result.status),
      [...Array(50).fill(201), ...Array(50).fill(409)],
    );
  });

  test('a purchase limit counts across the members', async () => {
    const sku = await shop.sells(50, { max_per_customer: 3 });
    const { results } = await batch(Array.from({ length: 5 }, () => order('c-1', { [sku]: 1 })));
    assert.deepEqual(
      results.map((result) => result.status),
      [201, 201, 201, 409, 409],
    );
  });
});

describe('idempotency keys across restarts', () => {
  for (const [name, stop] of [
    ['a restart', (shop) => shop.stop()],
    ['kill -9', (shop) => shop.kill()],
  ]) {
    test(`they survive ${name}`, async () => {
      const shop = new Shop();
      await shop.start();
      const sku = await shop.sells(10);
      const requests = [
        ['/v1/orders', order('c-1', { [sku]: 1 }), newKey()],
        ['/v1/orders/batch', { orders: [order('c-1', { [sku]: 1 }), order('c-1', { [sku]: 100 })] }, newKey()],
        [`/v1/stock/${sku}/adjustments`, { delta: 5 }, newKey()],
      ];
      const first = [];
      for (const [path, body, key] of requests) {
        first.push(await shop.post(path, body, undefined, { key }));
      }
      await shop.pays(first[0].body);
      await stop(shop);
      await shop.start();
      for (const [i, [path, body, key]] of requests.entries()) {
        const again = await shop.post(path, body, first[i].status, { key });
        assert.equal(again.text, first[i].text);
        assert.equal(again.headers['idempotency-replayed'], 'true');
      }
      await shop.post('/v1/orders', order('c-2', { [sku]: 1 }), '422 idempotency_key_reused', { key: requests[0][2] });
      assert.equal(await shop.stock(sku), '14 on hand, 1 reserved');
      await shop.stop();
      shop.close();
      await shop.audit();
    });
  }
});
