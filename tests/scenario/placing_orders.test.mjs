import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { euro, newSku, order, times, useShop } from './support/shop.mjs';

describe('placing orders', () => {
  const shop = useShop();
  const place = async (body, expected, options) => (await shop.post('/v1/orders', body, expected, options)).body;
  const fields = (problem) => problem.errors.map((error) => error.field);

  test('an order holds its stock until its deadline', async () => {
    const sku = await shop.sells(50);
    const { body, headers } = await shop.post('/v1/orders', order('c-1', { [sku]: 2 }, { hold_seconds: 60 }), 201);
    assert.deepEqual(
      { ...body, order_id: null, created_at: null, expires_at: null },
      {
        order_id: null,
        status: 'draft',
        customer_id: 'c-1',
        items: [{ line: 1, sku, quantity: 2, unit_price: euro(1999), reservation: 'active' }],
        total: euro(3998),
        metadata: {},
        created_at: null,
        expires_at: null,
        version: 1,
      },
    );
    assert.equal(Date.parse(body.expires_at) - Date.parse(body.created_at), 60_000);
    assert.match(body.created_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    assert.ok(Math.abs(Date.parse(body.created_at) - Date.now()) < 5000);
    assert.match(body.order_id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.equal(headers.location, `/v1/orders/${body.order_id}`);
    assert.deepEqual((await shop.get(headers.location)).body, { ...body, payments: [] });
    assert.equal(await shop.stock(sku), '50 on hand, 2 reserved');
    const { body: holds } = await shop.get(`/v1/reservations?sku=${sku}`);
    assert.deepEqual(holds.data, [
      { order_id: body.order_id, line: 1, sku, quantity: 2, status: 'active', expires_at: body.expires_at },
    ]);
  });

  test('a hold lasts 15 minutes unless the order says otherwise', async () => {
    const sku = await shop.sells(5);
    const lasts = ({ created_at: from, expires_at: to }) => (Date.parse(to) - Date.parse(from)) / 1000;
    assert.equal(lasts(await shop.places({ [sku]: 1 })), 900);
    assert.equal(lasts(await shop.places({ [sku]: 1 }, { hold_seconds: 1 })), 1);
    assert.equal(lasts(await shop.places({ [sku]: 1 }, { hold_seconds: 3600 })), 3600);
    for (const hold_seconds of [0, -1, 3601, 1e12, 1.5, '60', true, null, []]) {
      const problem = await place(order('c-1', { [sku]: 1 }, { hold_seconds }), '422 invalid_request');
      assert.deepEqual(fields(problem), ['hold_seconds']);
    }
  });

  test('all lines are reserved, or none', async () => {
    const [plenty, short] = [await shop.sells(50), await shop.sells(1)];
    const problem = await place(order('c-1', { [plenty]: 2, [short]: 2 }), '409 insufficient_stock');
    assert.deepEqual(problem.lines, [{ line: 2, sku: short, requested: 2, available: 1 }]);
    assert.equal(await shop.stock(plenty), '50 on hand, 0 reserved');
    assert.equal(await shop.stock(short), '1 on hand, 0 reserved');
  });

  test('two lines of one SKU count together, and both are named when it is short', async () => {
    const [sku, other] = [await shop.sells(5), await shop.sells(0)];
    const twice = (first, second) => ({
      customer_id: 'c-1',
      items: [
        { sku, quantity: first },
        { sku: other, quantity: 1 },
        { sku, quantity: second },
      ],
    });
    const problem = await place(twice(3, 3), '409 insufficient_stock');
    assert.deepEqual(problem.lines, [
      { line: 1, sku, requested: 3, available: 5 },
      { line: 2, sku: other, requested: 1, available: 0 },
      { line: 3, sku, requested: 3, available: 5 },
    ]);
    const enough = await place(
      {
        customer_id: 'c-1',
        items: [
          { sku, quantity: 3 },
          { sku, quantity: 2 },
        ],
      },
      201,
    );
    assert.deepEqual(
      enough.items.map((item) => [item.line, item.quantity]),
      [
        [1, 3],
        [2, 2],
      ],
    );
    assert.deepEqual(enough.total, euro(5 * 1999));
    assert.equal(await shop.stock(sku), '5 on hand, 5 reserved');
  });

  test('an unknown SKU is refused, naming its line', async () => {
    const sku = await shop.sells(5);
    const problem = await place(order('c-1', { [sku]: 1, 'no-such-sku': 1 }), '422 unknown_sku');
    assert.deepEqual(problem.lines, [{ line: 2, sku: 'no-such-sku' }]);
    assert.equal(await shop.stock(sku), '5 on hand, 0 reserved');
  });

  test('currencies do not mix', async () => {
    const [euros, yen] = [await shop.sells(5), await shop.sells(5, { price: { amount: 100, currency: 'JPY' } })];
    await place(order('c-1', { [euros]: 1, [yen]: 1 }), '422 mixed_currencies');
  });

  test('a total beyond 63 bits is refused', async () => {
    const sku = await shop.sells(1_000_000, { price: euro(1_000_000_000_000_000) });
    await place(order('c-1', { [sku]: 9_223 }), 201);
    await place(order('c-1', { [sku]: 9_224 }), '422 total_too_large');
    await place(order('c-1', { [sku]: 1_000_000 }), '422 total_too_large');
    const half = { sku, quantity: 5_000 };
    await place({ customer_id: 'c-1', items: [half, half] }, '422 total_too_large');
  });

  test("a customer's purchase limit counts live holds, paid orders and all lines", async () => {
    const sku = await shop.sells(50, { max_per_customer: 3 });
    const buy = (quantity, expected, customer = 'c-1') => place(order(customer, { [sku]: quantity }), expected);
    await buy(4, '409 purchase_limit');
    const paid = await buy(1, 201);
    await shop.pays(paid);
    const held = await buy(1, 201);
    const problem = await buy(2, '409 purchase_limit');
    assert.deepEqual([problem.sku, problem.limit, problem.already, problem.requested], [sku, 3, 2, 2]);
    await place(
      {
        customer_id: 'c-1',
        items: [
          { sku, quantity: 1 },
          { sku, quantity: 1 },
        ],
      },
      '409 purchase_limit',
    );
    await buy(3, 201, 'c-2');
    await shop.post(`/v1/orders/${held.order_id}/cancel`, undefined, 200);
    await buy(2, 201);
    await buy(1, '409 purchase_limit');
  });

  test('a purchase limit holds however many orders race for it', async () => {
    const sku = await shop.sells(1000, { max_per_customer: 7 });
    const answers = await times(60, () => shop.post('/v1/orders', order('racer', { [sku]: 1 }), undefined));
    assert.equal(answers.filter((answer) => answer.status === 201).length, 7);
    assert.equal(answers.filter((answer) => answer.body.code === 'purchase_limit').length, 53);
    assert.equal(await shop.stock(sku), '1000 on hand, 7 reserved');
  });

  test("where several refusals apply, the first in the contract's order is answered", async () => {
    const euros = await shop.sells(1, { max_per_customer: 1, price: euro(1_000_000_000_000_000) });
    const yen = await shop.sells(1, { price: { amount: 1, currency: 'JPY' } });
    const limited = await shop.sells(1, { max_per_customer: 1 });
    await place('{"customer_id":', '400 invalid_json', { raw: '{"customer_id":' });
    await place({ customer_id: '', items: [{ sku: 'no-such-sku', quantity: 1 }] }, '422 invalid_request');
    await place(order('c-1', { 'no-such-sku': 1, [euros]: 1_000_000, [yen]: 1 }), '422 unknown_sku');
    await place(order('c-1', { [euros]: 1_000_000, [yen]: 1 }), '422 mixed_currencies');
    await place(order('c-1', { [euros]: 1_000_000 }), '422 total_too_large');
    await place(order('c-1', { [limited]: 2 }), '409 purchase_limit');
    await place(order('c-1', { [yen]: 2 }), '409 insufficient_stock');
  });

  test('quantities are 1 to 1,000,000', async () => {
    const sku = await shop.sells(1_000_000, { price: euro(1) });
    await place(order('c-1', { [sku]: 1_000_000 }), 201);
    for (const quantity of [0, -1, 1_000_001, 1.5, 1e300, '2', true, null, {}]) {
      const problem = await place({ customer_id: 'c-1', items: [{ sku, quantity }] }, undefined);
      assert.ok(
        ['invalid_quantity', 'invalid_request', 'invalid_json'].includes(problem.code),
        JSON.stringify(problem),
      );
      assert.equal(problem.status, problem.code === 'invalid_json' ? 400 : 422);
    }
    const problem = await place(
      {
        customer_id: 'c-1',
        items: [
          { sku, quantity: 1 },
          { sku, quantity: 0 },
        ],
      },
      '422 invalid_quantity',
    );
    assert.deepEqual(fields(problem), ['items[1].quantity']);
    for (const number of ['1.0', '1e0', '9223372036854775808', '-9223372036854775809']) {
      const raw = `{"customer_id": "c-1", "items": [{"sku": "${sku}", "quantity": ${number}}]}`;
      const { status } = await place(undefined, undefined, { raw });
      assert.ok(status === 422 || status === 400, `${number} answered ${status}`);
    }
  });

  test('an order has 1 to 100 lines', async () => {
    const skus = await times(100, () => shop.sells(5, { price: euro(1) }));
    const lines = Object.fromEntries(skus.map((sku) => [sku, 1]));
    const placed = await place(order('c-1', lines), 201);
    assert.deepEqual(
      placed.items.map((item) => item.line),
      Array.from({ length: 100 }, (_, i) => i + 1),
    );
    assert.deepEqual(
      placed.items.map((item) => item.sku),
      skus,
    );
    const items = [...skus, skus[0]].map((sku) => ({ sku, quantity: 1 }));
    assert.deepEqual(fields(await place({ customer_id: 'c-1', items }, '422 invalid_request')), ['items']);
    assert.deepEqual(fields(await place({ customer_id: 'c-1', items: [] }, '422 invalid_request')), ['items']);
  });

  test('every wrong field is named at once', async () => {
    const problem = await place(
      { items: [{ sku: '', quantity: 1 }, 7], hold_seconds: 0, metadata: [] },
      '422 invalid_request',
    );
    assert.deepEqual(
      fields(problem).sort(),
      ['customer_id', 'hold_seconds', 'items[0].sku', 'items[1]', 'metadata'].sort(),
    );
  });

  test('unknown fields are refused by name, wherever they are', async () => {
    const sku = await shop.sells(5);
    const unknown = async (body, field) => {
      const problem = await place(body, '422 unknown_field');
      assert.equal(problem.field, field);
      assert.deepEqual(fields(problem), [field]);
    };
    await unknown(order('c-1', { [sku]: 1 }, { coupon: 'x' }), 'coupon');
    await unknown({ customer_id: 'c-1', items: [{ sku, quantity: 1, price: 1 }] }, 'items[0].price');
  });

  test('customer ids are 1 to 128 bytes without control characters', async () => {
    const sku = await shop.sells(5);
    await place(order('x'.repeat(128), { [sku]: 1 }), 201);
    assert.equal((await place(order('Zoë 客', { [sku]: 1 }), 201)).customer_id, 'Zoë 客');
    for (const customer of ['', 'x'.repeat(129), 'é'.repeat(65), 'a\tb', 'a\u0001b', 'a\u007fb', 7, null]) {
      assert.deepEqual(fields(await place(order(customer, { [sku]: 1 }), '422 invalid_request')), ['customer_id']);
    }
  });

  test('metadata is kept as it came', async () => {
    const sku = await shop.sells(500);
    const accepts = async (metadata) => {
      const placed = await place(order('c-1', { [sku]: 1 }, { metadata }), 201);
      assert.deepEqual(placed.metadata, metadata);
      assert.deepEqual((await shop.sees(placed)).metadata, metadata);
      assert.equal(JSON.stringify(placed.metadata), JSON.stringify(metadata), 'in the order of the request');
    };
    await accepts({});
    await accepts({ zone: 'b', aisle: '7', note: '' });
    await accepts({ 'quote"\\': 'line\nbreak \u2028 é 客 \u{1f600}' });
    await accepts(
      Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`key-${i}`.padEnd(40, '.'), 'v'.repeat(500)])),
    );
  });

  test('metadata has limits', async () => {
    const sku = await shop.sells(5);
    const many = Object.fromEntries(Array.from({ length: 51 }, (_, i) => [`key-${i}`, 'v']));
    for (const metadata of [
      many,
      { ['k'.repeat(41)]: 'v' },
      { '': 'v' },
      { k: 'v'.repeat(501) },
      { k: 'a\u0000b' },
      { k: 7 },
      { k: null },
      { k: { deep: 'v' } },
      [],
      'text',
      7,
      null,
    ]) {
      const problem = await place(order('c-1', { [sku]: 1 }, { metadata }), '422 invalid_request');
      assert.match(fields(problem)[0], /^metadata/);
    }
  });

  test('what is no order at all is refused', async () => {
    for (const raw of ['[]', '7', '"x"', 'null', 'true']) {
      const problem = await place(undefined, undefined, { raw });
      assert.equal(`${problem.status} ${problem.code}`, '422 invalid_request', raw);
    }
    const sku = await shop.sells(5);
    const sound = JSON.stringify(order('c-1', { [sku]: 1 }));
    for (const raw of [
      '',
      ' ',
      '{',
      '{"a":1,}',
      `${sound}x`,
      `${sound}${sound}`,
      '{"customer_id":"a","customer_id":"b"}',
      "{'a':1}",
      '{"a":NaN}',
      '{"a":01}',
      '\u0000',
      `\ufeff${sound}`,
      `${'['.repeat(100_000)}`,
      '{"a":"\u0001"}',
      '{"a":"\\ud800"}',
    ]) {
      await place(undefined, '400 invalid_json', { raw });
    }
    await place(undefined, '400 invalid_json', { raw: Buffer.from('7b2261223a22ff227d', 'hex') });
    assert.equal(await shop.stock(sku), '5 on hand, 0 reserved');
  });

  test('free goods can be ordered', async () => {
    const sku = await shop.sells(5, { price: euro(0) });
    const placed = await shop.places({ [sku]: 5 });
    assert.deepEqual(placed.total, euro(0));
    assert.equal((await shop.pays(placed)).status, 'paid');
  });

  test('what is not there is 404', async () => {
    for (const id of ['019ab1d2-6f00-7c3e-9d0a-3f1b7c2e5a10', 'nonsense', newSku()]) {
      await shop.get(`/v1/orders/${id}`, '404 order_not_found');
      await shop.post(`/v1/orders/${id}/pay`, { payment_reference: 'pi' }, '404 order_not_found');
      await shop.post(`/v1/orders/${id}/cancel`, {}, '404 order_not_found');
      await shop.post(`/v1/orders/${id}/extend`, { seconds: 1 }, '404 order_not_found');
      await shop.get(`/v1/orders/${id}/events`, '404 order_not_found');
    }
  });
});
