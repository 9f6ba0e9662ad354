import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { euro, newSku, useShop } from './support/shop.mjs';

describe('products', () => {
  const shop = useShop();
  const simple = (more = {}) => ({ title: 'Tee', sku: newSku('tee'), price: euro(1999), ...more });
  const refuses = async (body, code, ...fields) => {
    const { body: problem } = await shop.post('/v1/products', body, `422 ${code}`);
    assert.deepEqual(problem.errors.map((error) => error.field).sort(), fields.sort());
  };

  test('a simple product has one default variant', async () => {
    const sku = newSku('tee');
    const { body: product, headers } = await shop.post('/v1/products', simple({ sku, stock_quantity: 50 }), 201);
    assert.equal(headers.location, `/v1/products/${product.product_id}`);
    assert.equal(headers.etag, '"1"');
    assert.equal(product.title, 'Tee');
    assert.deepEqual(product.variants, [
      {
        sku,
        product_id: product.product_id,
        title: 'Tee',
        price: euro(1999),
        max_per_customer: null,
        low_stock_threshold: null,
        stock_quantity: 50,
        reserved_quantity: 0,
        available_quantity: 50,
        version: 1,
      },
    ]);
    assert.deepEqual((await shop.get(headers.location)).body, product);
    assert.deepEqual((await shop.get(`/v1/variants/${sku}`)).body, product.variants[0]);
  });

  test('a product may have variants, each with its own price, stock and limits', async () => {
    const [medium, large] = [newSku('tee-m'), newSku('tee-l')];
    const variants = [
      { sku: medium, title: 'Medium', price: euro(1999), stock_quantity: 5, max_per_customer: 2 },
      { sku: large, title: 'Large', price: { amount: 0, currency: 'JPY' }, low_stock_threshold: 3 },
    ];
    const { body: product } = await shop.post('/v1/products', { title: 'Tee', variants }, 201);
    assert.deepEqual(
      product.variants.map((variant) => variant.sku),
      [medium, large],
    );
    const { body: second } = await shop.get(`/v1/variants/${large}`);
    assert.deepEqual(second.price, { amount: 0, currency: 'JPY' });
    assert.deepEqual([second.stock_quantity, second.max_per_customer, second.low_stock_threshold], [0, null, 3]);
  });

  test('stock defaults to none', async () => {
    const body = simple();
    await shop.post('/v1/products', body, 201);
    assert.equal(await shop.stock(body.sku), '0 on hand, 0 reserved');
  });

  test('a SKU in use is refused, and with it the whole product', async () => {
    const used = await shop.sells(1);
    const { body: problem } = await shop.post('/v1/products', simple({ sku: used }), '409 sku_exists');
    assert.equal(problem.sku, used);
    const fresh = newSku();
    const variants = [fresh, used].map((sku) => ({ sku, title: 'One', price: euro(1) }));
    await shop.post('/v1/products', { title: 'Two', variants }, '409 sku_exists');
    await shop.get(`/v1/variants/${fresh}`, '404 unknown_sku');
  });

  test('one SKU twice in a product is refused', async () => {
    const variant = { sku: newSku(), title: 'One', price: euro(1) };
    const { body: problem } = await shop.post(
      '/v1/products',
      { title: 'T', variants: [variant, variant] },
      '422 invalid_request',
    );
    assert.equal(problem.errors[0].field, 'variants[1].sku');
  });

  test('the two forms do not mix', async () => {
    const variants = [{ sku: newSku(), title: 'One', price: euro(1) }];
    await shop.post('/v1/products', simple({ variants }), 422);
    await shop.post('/v1/products', { title: 'None' }, '422 invalid_request');
    await refuses({ title: 'Empty', variants: [] }, 'invalid_request', 'variants');
  });

  test('every wrong field is named', async () => {
    await refuses(simple({ title: '' }), 'invalid_request', 'title');
    await refuses(simple({ title: 'x'.repeat(501) }), 'invalid_request', 'title');
    await refuses(simple({ title: 7, sku: null }), 'invalid_request', 'title', 'sku');
    await refuses(simple({ sku: '' }), 'invalid_request', 'sku');
    await refuses(simple({ sku: 'x'.repeat(129) }), 'invalid_request', 'sku');
    await refuses(simple({ sku: 'a\nb' }), 'invalid_request', 'sku');
    await refuses(simple({ price: 1999 }), 'invalid_request', 'price');
    await refuses(simple({ price: euro(-1) }), 'invalid_request', 'price.amount');
    await refuses(simple({ price: { amount: 19.99, currency: 'EUR' } }), 'invalid_request', 'price.amount');
    await refuses(simple({ price: { amount: '1999', currency: 'EUR' } }), 'invalid_request', 'price.amount');
    await refuses(simple({ price: { amount: 1999, currency: 'eur' } }), 'invalid_request', 'price.currency');
    await refuses(simple({ price: { amount: 1999, currency: 'DEM' } }), 'invalid_request', 'price.currency');
    await refuses(simple({ price: { amount: 1999 } }), 'invalid_request', 'price.currency');
    await refuses(simple({ max_per_customer: 0 }), 'invalid_request', 'max_per_customer');
    await refuses(simple({ low_stock_threshold: -1 }), 'invalid_request', 'low_stock_threshold');
    await refuses(
      {
        title: 'T',
        variants: [
          { sku: 'a', title: 'A', price: euro(1) },
          { sku: '', title: 'A', price: euro(1) },
        ],
      },
      'invalid_request',
      'variants[1].sku',
    );
    await refuses(simple({ colour: 'red' }), 'unknown_field', 'colour');
    await refuses(simple({ price: { amount: 1, currency: 'EUR', tax: 1 } }), 'unknown_field', 'price.tax');
    const { body: problem } = await shop.post('/v1/products', simple({ stock_quantity: -1 }), 422);
    assert.equal(problem.errors[0].field, 'stock_quantity');
  });

  test('byte limits count bytes, and their edges are inside', async () => {
    const { body } = await shop.post('/v1/products', simple({ title: 'é'.repeat(250), sku: 'ü'.repeat(64) }), 201);
    assert.equal(body.title, 'é'.repeat(250));
    await refuses(simple({ title: 'é'.repeat(251) }), 'invalid_request', 'title');
    await refuses(simple({ sku: `${'ü'.repeat(64)}x` }), 'invalid_request', 'sku');
  });

  test('any SKU text survives the way through a path', async () => {
    for (const sku of ['a/b', 'ö ü?#%&+', '..', '"quoted"', 'adjustments', 'a\\b', '日本語']) {
      const own = `${sku}${newSku('-')}`;
      await shop.post('/v1/products', simple({ sku: own, stock_quantity: 3 }), 201);
      assert.equal((await shop.get(`/v1/variants/${encodeURIComponent(own)}`)).body.sku, own);
      assert.equal(await shop.stock(own), '3 on hand, 0 reserved');
    }
  });

  test('what is not there is 404', async () => {
    await shop.get('/v1/products/019ab1d2-6f00-7c3e-9d0a-3f1b7c2e5a10', '404 product_not_found');
    await shop.get('/v1/products/nonsense', '404 product_not_found');
    await shop.get('/v1/variants/nonsense', '404 unknown_sku');
    await shop.get('/v1/stock/nonsense', '404 unknown_sku');
    await shop.patch('/v1/products/019ab1d2-6f00-7c3e-9d0a-3f1b7c2e5a10', { title: 'T' }, '404 product_not_found');
    await shop.patch('/v1/variants/nonsense', { title: 'T' }, '404 unknown_sku');
  });

  test("a rename counts the product's version and no variant's", async () => {
    const { body: product } = await shop.post('/v1/products', simple(), 201);
    const path = `/v1/products/${product.product_id}`;
    const { body: renamed } = await shop.patch(path, { title: 'Organic tee' }, 200);
    assert.deepEqual([renamed.title, renamed.version, renamed.variants[0].version], ['Organic tee', 2, 1]);
    assert.deepEqual((await shop.get(path)).body, renamed);
    await shop.patch(path, { title: '' }, '422 invalid_request');
    await shop.patch(path, { sku: 'x' }, '422 unknown_field');
  });

  test("a variant's patch changes what it names, and leaves the product's version", async () => {
    const sku = await shop.sells(10, { max_per_customer: 3, low_stock_threshold: 2 });
    const path = `/v1/variants/${sku}`;
    const { body: first } = await shop.patch(path, { price: euro(1799) }, 200);
    assert.deepEqual([first.price, first.max_per_customer, first.version], [euro(1799), 3, 2]);
    const { body: second } = await shop.patch(
      path,
      { title: 'New', max_per_customer: null, low_stock_threshold: null },
      200,
    );
    assert.deepEqual(
      [second.title, second.max_per_customer, second.low_stock_threshold, second.version],
      ['New', null, null, 3],
    );
    assert.deepEqual((await shop.get(path)).body, second);
    assert.equal((await shop.get(`/v1/products/${first.product_id}`)).body.version, 1);
    await shop.patch(path, { sku: 'other' }, '422 unknown_field');
    await shop.patch(path, { stock_quantity: 5 }, '422 unknown_field');
  });

  test('the price of placed orders never changes', async () => {
    const sku = await shop.sells(10, { price: euro(1000) });
    const placed = await shop.places({ [sku]: 2 });
    await shop.patch(`/v1/variants/${sku}`, { price: euro(5000) }, 200);
    assert.deepEqual((await shop.sees(placed)).total, euro(2000));
    assert.deepEqual((await shop.pays(placed)).total, euro(2000));
    assert.deepEqual((await shop.places({ [sku]: 1 })).total, euro(5000));
  });

  test('products are listed newest first', async () => {
    const skus = [];
    for (let i = 0; i < 3; i += 1) {
      skus.unshift(await shop.sells(i));
    }
    const { body } = await shop.get('/v1/products?limit=3');
    assert.deepEqual(
      body.data.map((product) => product.variants[0].sku),
      skus,
    );
  });
});
