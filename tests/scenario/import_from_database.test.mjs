import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';

import { newSchema, POSTGRES, psql } from './support/database.mjs';
import { run } from './support/program.mjs';
import { euro, sleep, useShop } from './support/shop.mjs';

const NO_CLUSTER = { skip: POSTGRES === undefined && 'HOLDFAST_TEST_POSTGRES names no cluster' };

/* An application as an ORM made it: capitals in names, cents; and one with variants in a table of their own. */
const TABLES = `
  CREATE TABLE "Product" (
      "id" serial PRIMARY KEY, "sku" text, "name" text, "priceCents" integer, "stockQuantity" integer,
      "maxEach" integer);
  INSERT INTO "Product" ("sku", "name", "priceCents", "stockQuantity", "maxEach")
  VALUES ('tee-m', 'Tee "medium", blue', 1999, 50, NULL), ('mug', 'Größe', 500, 0, 2);

  CREATE DOMAIN amount AS numeric(12, 4);
  CREATE TABLE products (id uuid PRIMARY KEY, name text, price amount);
  CREATE TABLE product_variants (
      product_id uuid, no integer, sku text, title text, price amount, stock_quantity bigint, currency text,
      PRIMARY KEY (product_id, no));
  INSERT INTO products VALUES
      ('00000000-0000-0000-0000-000000000001', 'Pot', 9.99), ('00000000-0000-0000-0000-000000000002', 'Cup', 4);
  INSERT INTO product_variants VALUES
      ('00000000-0000-0000-0000-000000000002', 1, 'cup', 'Cup', 4.5, 3, 'EUR'),
      ('00000000-0000-0000-0000-000000000001', 2, 'pot-l', 'Pot, large', 15.99, 3, 'EUR'),
      ('00000000-0000-0000-0000-000000000001', 1, 'pot-s', 'Pot, small', 9.99, 1, 'USD');

  CREATE TABLE odd (sku text, title text, price double precision, price_text text, cents bigint, stock text);
`;

const PLAIN = [
  '--products-table=Product',
  '--map=sku=sku,title=name,price=priceCents,stock=stockQuantity,max_per_customer=maxEach',
  '--currency=EUR',
];
const VARIANTS = [
  '--map=id=id,title=name',
  '--variants-table=product_variants',
  '--variants-map=product=product_id,sku=sku,title=title,price=price,stock=stock_quantity,currency=currency',
];

describe("importing an existing application's tables", NO_CLUSTER, () => {
  const shop = useShop();
  let application;

  before(() => {
    application = newSchema();
    psql(application, TABLES);
  });

  const importing = (...parameters) =>
    run(['import', `--from=${application}`, `--database=${shop.database}`, ...parameters]);
  const imports = async (...parameters) => {
    const result = await importing(...parameters);
    assert.equal(result.status, 0, result.stderr);
    return result.stdout;
  };
  const isRefused = async (status, words, ...parameters) => {
    const result = await importing(...parameters);
    assert.equal(result.status, status, result.stderr);
    assert.equal(result.stdout, '');
    for (const word of words) {
      assert.match(result.stderr, word);
    }
  };
  const variant = async (sku) => (await shop.get(`/v1/variants/${encodeURIComponent(sku)}`)).body;
  const seen = ({ title, price, stock_quantity, max_per_customer }) => [title, price, stock_quantity, max_per_customer];

  test('--dry-run writes nothing', async () => {
    assert.match(await imports(...PLAIN, '--dry-run'), /2 good and 0 bad rows; nothing was written/);
    await shop.get('/v1/variants/tee-m', '404 unknown_sku');
  });

  test('a table of products, names in capitals, prices in cents', async () => {
    assert.match(await imports(...PLAIN), /Product: 2 created, 0 updated, 0 unchanged/);
    assert.deepEqual(seen(await variant('tee-m')), ['Tee "medium", blue', euro(1999), 50, null]);
    assert.deepEqual(seen(await variant('mug')), ['Größe', euro(500), 0, 2]);
    await shop.places({ 'tee-m': 4 });
  });

  test('twice is the same as once; what changed there changes here', async () => {
    assert.match(await imports(...PLAIN), /0 created, 0 updated, 2 unchanged/);
    psql(application, `UPDATE "Product" SET "stockQuantity" = 7, "maxEach" = NULL WHERE "sku" = 'mug'`);
    assert.match(await imports(...PLAIN), /0 created, 1 updated, 1 unchanged/);
    assert.deepEqual(seen(await variant('mug')), ['Größe', euro(500), 7, null]);
  });

  test('stock below what is reserved is a bad row: found before anything is written', async () => {
    psql(application, `UPDATE "Product" SET "stockQuantity" = "stockQuantity" - 47`);
    psql(application, `UPDATE "Product" SET "stockQuantity" = 9 WHERE "sku" = 'mug'`);
    await isRefused(1, [/Product: sku tee-m: a stock of 3 is below the 4 units/, /nothing was imported/], ...PLAIN);
    assert.equal(await shop.stock('mug'), '7 on hand, 0 reserved');
    assert.match(await imports(...PLAIN, '--skip-bad'), /0 created, 1 updated, 0 unchanged, 1 refused/);
    psql(application, `UPDATE "Product" SET "stockQuantity" = 50 WHERE "sku" = 'tee-m'`);
  });

  test('products with variants, prices in full, a currency for each', async () => {
    assert.match(await imports(...VARIANTS), /product_variants: 3 created/);
    assert.deepEqual(seen(await variant('pot-l')), ['Pot, large', euro(1599), 3, null]);
    const small = await variant('pot-s');
    assert.deepEqual(seen(small), ['Pot, small', { amount: 999, currency: 'USD' }, 1, null]);
    const { body: pot } = await shop.get(`/v1/products/${small.product_id}`);
    assert.deepEqual([pot.title, pot.variants.map((one) => one.sku)], ['Pot', ['pot-s', 'pot-l']]);
    assert.match(await imports(...VARIANTS), /0 created, 0 updated, 3 unchanged/);
  });

  test("what variants do not say is their product's; the schema may be named", async () => {
    const [schema] = psql(application, 'SELECT current_schema();');
    await imports(
      `--products-table=${schema}.products`,
      '--map=id=id,title=name,price=price',
      `--variants-table=${schema}.product_variants`,
      '--variants-map=product=product_id,sku=sku,stock=stock_quantity',
      '--currency=EUR',
      '--skip-bad',
    );
    assert.deepEqual(seen(await variant('cup')), ['Cup', euro(400), 3, null]);
    await imports(...VARIANTS);
  });

  test('each bad row is named by its key, and nothing is imported unless all are good', async () => {
    psql(
      application,
      `INSERT INTO products VALUES ('00000000-0000-0000-0000-000000000008', NULL, 1),
                                   ('00000000-0000-0000-0000-000000000009', 'Nothing to sell', 1);
       INSERT INTO product_variants VALUES
           ('00000000-0000-0000-0000-000000000001', 10, 'new-good', 'Good', 1, 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000001', 11, NULL, 'No SKU', 1, 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000001', 12, 'no-title', NULL, 1, 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000001', 13, 'no-price', 'Bad', NULL, 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000001', 14, 'nan', 'Bad', 'NaN', 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000001', 15, 'fraction', 'Bad', 1.999, 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000001', 16, 'oversold', 'Bad', 1, -3, 'EUR'),
           ('00000000-0000-0000-0000-000000000001', 17, 'currency', 'Bad', 1, 1, 'DEM'),
           ('00000000-0000-0000-0000-000000000001', 18, 'pot-s', 'Twice', 1, 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000007', 19, 'orphan', 'Bad', 1, 1, 'EUR'),
           ('00000000-0000-0000-0000-000000000008', 20, 'of-no-title', 'Bad', 1, 1, 'EUR');`,
    );
    const result = await importing(...VARIANTS);
    assert.equal(result.status, 1);
    for (const no of [11, 12, 13, 14, 15, 16, 17, 18, 19, 20]) {
      assert.match(result.stderr, new RegExp(`^product_variants: product_id=[-0-9]+ no=${no}: `, 'm'));
    }
    assert.doesNotMatch(result.stderr, /no=(1|2|10):/);
    assert.match(result.stderr, /variant of products 00000000-0000-0000-0000-000000000009/);
    assert.match(result.stderr, /10 bad and 4 good rows: nothing was imported/);
    await shop.get('/v1/variants/new-good', '404 unknown_sku');
    assert.match(await imports(...VARIANTS, '--skip-bad'), /1 created, 0 updated, 3 unchanged, 10 bad rows left out/);
  });

  test('a price is a whole number of cents or a numeric, and nothing else', async () => {
    const map = (price) => [
      '--products-table=odd',
      `--map=sku=sku,title=title,price=${price},stock=stock`,
      '--currency=JPY',
    ];
    await isRefused(1, [/odd\.price .*floating-point/, /view/], ...map('price'));
    await isRefused(1, [/odd\.price_text is no number/], ...map('price_text'));
    assert.match(await imports(...map('cents')), /odd: 0 created/);
  });

  test('a table or column that is not there: which are', async () => {
    const [, map, currency] = PLAIN;
    const tables = /Product, odd, product_variants, products/;
    await isRefused(1, [/no table 'Products'/, tables], '--products-table=Products', map, currency);
    await isRefused(1, [/no table 'nowhere.products'/], '--products-table=nowhere.products', map, currency);
    await isRefused(1, [/no table/], '--products-table="Product"; DROP TABLE "Product"; --', map, currency);
    const column = '--map=sku=sku,title=name,price=priceCents,stock=stock_quantity';
    const columns = /id, sku, name, priceCents/;
    await isRefused(1, [/no column 'stock_quantity'/, columns], '--products-table=Product', column, currency);
    assert.deepEqual(psql(application, 'SELECT count(*) FROM "Product"'), ['2']);
  });

  test('wrong usage', async () => {
    await isRefused(2, [/--map knows no 'prize'; it takes sku, title, price/], '--map=sku=sku,prize=p');
    await isRefused(2, [/--map does not say .* stock/], '--map=sku=sku,title=name,price=priceCents');
    await isRefused(2, [/--variants-map/], '--map=id=id,title=name', '--variants-table=product_variants');
    await isRefused(2, [/--map/]);
    await isRefused(2, [/file or/], 'catalogue.csv', ...PLAIN);
    await isRefused(1, [/--currency/], ...PLAIN.slice(0, 2));
  });

  test('a database that cannot be had: why, and no password', async () => {
    const refusing = '--from=postgresql://app:sesame@127.0.0.1:1/app';
    const { status, stderr } = await run(['import', refusing, `--database=${shop.database}`, ...PLAIN]);
    assert.equal(status, 1);
    assert.match(stderr, /port 1 failed/);
    assert.doesNotMatch(stderr, /sesame/);
    const unencoded = await run(['import', '--from=postgresql://app:ses@me@127.0.0.1:1/app', ...PLAIN]);
    assert.equal(unencoded.status, 2);
    assert.match(unencoded.stderr, /%40/);
    assert.doesNotMatch(unencoded.stderr, /ses@me|me@/);
  });

  test('a hundred thousand rows, while the application goes on', { timeout: 60_000 }, async () => {
    psql(
      application,
      `CREATE TABLE many AS SELECT 'many-' || i AS sku, 'Many ' || i AS title, i % 100 AS cents, i % 7 AS stock
                            FROM generate_series(1, 100000) AS i`,
    );
    const map = '--map=sku=sku,title=title,price=cents,stock=stock';
    const ending = imports('--products-table=many', map, '--currency=EUR');
    await sleep(500);
    psql(application, "UPDATE many SET cents = 999, sku = sku || '-new'");
    assert.match(await ending, /many: 100000 created/, 'one snapshot for all passes');
    assert.deepEqual((await variant('many-99999')).price, euro(99));
  });
});
