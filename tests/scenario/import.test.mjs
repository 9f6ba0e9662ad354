import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { IS_POSTGRES } from './support/database.mjs';
import { run, runs } from './support/program.mjs';
import { euro, Shop, until, useShop } from './support/shop.mjs';

const PLAIN = `sku,title,price,currency,stock_quantity,max_per_customer
tee-m,"Tee, medium",19.99,EUR,50,
tee-l,"Tee ""large""",20,EUR,5,2
yen-1,Fan,1200,JPY,0,
`;

/* As Shopify exports it, with columns that are of no interest, a second image and a description over several lines. */
const SHOPIFY_HEADER =
  'Handle,Title,Body (HTML),Vendor,Option1 Name,Option1 Value,Option2 Name,Option2 Value,' +
  'Variant SKU,Variant Inventory Qty,Variant Price,Image Src';
const SHOPIFY = `${SHOPIFY_HEADER}
clay-pot,Clay Pot,"<p>A pot,
for plants</p>",Acme,Size,Regular,,,,1,9.99,https://images.example/1.jpg
clay-pot,,,,,Large,,,pot-large,3,15.99,https://images.example/2.jpg
clay-pot,,,,,,,,,,,https://images.example/3.jpg
blue-shirt,Blue Shirt,,Acme,Title,Default Title,,,,7,50.00,
dress,Summer Dress,,Acme,Size,S,Color,Deep Red,,2,30,
dress,,,,,M,,Deep Red,,-4,30,
`;

describe('importing a catalogue', () => {
  const shop = useShop();
  let count = 0;
  const file = (text) => {
    const path = join(shop.folder, `catalogue-${(count += 1)}.csv`);
    writeFileSync(path, text);
    return path;
  };
  const importing = (text, ...parameters) => run(['import', file(text), '--database', shop.database, ...parameters]);
  const imports = async (text, ...parameters) => {
    const result = await importing(text, ...parameters);
    assert.equal(result.status, 0, result.stderr);
    return result.stdout;
  };
  const variant = async (sku) => (await shop.get(`/v1/variants/${encodeURIComponent(sku)}`)).body;
  const productCount = async () => (await shop.all('/v1/products')).length;

  test('a plain file, while the server is running', async () => {
    assert.match(await imports(PLAIN), /3 created/);
    const medium = await variant('tee-m');
    assert.deepEqual(
      [medium.title, medium.price, medium.stock_quantity, medium.max_per_customer],
      ['Tee, medium', euro(1999), 50, null],
    );
    const large = await variant('tee-l');
    assert.deepEqual([large.title, large.price, large.max_per_customer], ['Tee "large"', euro(2000), 2]);
    assert.deepEqual((await variant('yen-1')).price, { amount: 1200, currency: 'JPY' });
    await shop.places({ 'tee-m': 1 });
  });

  test('twice is the same as once', async () => {
    const before = await productCount();
    assert.match(await imports(PLAIN), /0 created.*3 unchanged/);
    assert.equal(await productCount(), before);
    assert.equal(await shop.stock('tee-m'), '50 on hand, 1 reserved');
    assert.equal((await shop.all('/v1/stock/tee-m/movements')).length, 1);
  });

  test('a file that changed updates what is there, and nothing else', async () => {
    const { product_id: id, version } = await variant('tee-m');
    assert.match(await imports(PLAIN.replace('19.99,EUR,50', '18.50,EUR,45')), /0 created, 1 updated, 2 unchanged/);
    const after = await variant('tee-m');
    assert.deepEqual([after.product_id, after.price, after.version], [id, euro(1850), version + 1]);
    assert.equal(await shop.stock('tee-m'), '45 on hand, 1 reserved');
    const ledger = await shop.all('/v1/stock/tee-m/movements');
    assert.deepEqual(
      ledger.map((row) => row.delta),
      [50, -5],
    );
  });

  test('stock below what is reserved is a bad row: found before anything is written', async () => {
    const sku = 'held-1';
    await imports(`sku,title,price,currency,stock_quantity\n${sku},Held,1,EUR,5\n`);
    await shop.places({ [sku]: 4 });
    const file = `sku,title,price,currency,stock_quantity\nfree-1,Free,1,EUR,3\n${sku},Held,1,EUR,3\n`;
    for (const dryRun of [[], ['--dry-run']]) {
      const { status, stderr } = await importing(file, ...dryRun);
      assert.equal(status, 1);
      assert.match(stderr, /:3: /);
      await shop.get('/v1/variants/free-1', '404 unknown_sku');
    }
    assert.match(await imports(file, '--skip-bad'), /1 created.*1 refused/);
    assert.equal(await shop.stock(sku), '5 on hand, 4 reserved');
  });

  test('a comma that was not quoted is a bad line, and not a wrong stock', async () => {
    const { status, stderr } = await importing('sku,title,price,currency,stock_quantity\ncomma-1,C,1.00,EUR,5,000\n');
    assert.equal(status, 1);
    assert.match(stderr, /:2: .*more fields/);
  });

  test('a Shopify export: several rows a product, SKUs made where there are none', async () => {
    const { status, stderr } = await importing(SHOPIFY);
    assert.equal(status, 1);
    assert.match(stderr, /--currency/);
    assert.match(await imports(SHOPIFY, '--currency', 'USD'), /5 created/);
    const regular = await variant('clay-pot.regular');
    assert.deepEqual(
      [regular.title, regular.price, regular.stock_quantity],
      ['Clay Pot - Regular', { amount: 999, currency: 'USD' }, 1],
    );
    const { body: pot } = await shop.get(`/v1/products/${regular.product_id}`);
    assert.deepEqual([pot.title, pot.variants.map((one) => one.sku)], ['Clay Pot', ['clay-pot.regular', 'pot-large']]);
    assert.deepEqual((await variant('blue-shirt')).price, { amount: 5000, currency: 'USD' });
    assert.equal((await variant('dress.s.deep-red')).title, 'Summer Dress - S / Deep Red');
    assert.equal((await variant('dress.m.deep-red')).stock_quantity, 0, 'oversold there: none to sell here');
    assert.match(await imports(SHOPIFY, '--currency', 'USD'), /0 created.*5 unchanged/);
  });

  test('columns in any order, a byte order mark, CRLF and no newline at the end', async () => {
    const text = '\ufeffStock_Quantity, Price ,TITLE,sku,currency\r\n7,3.5,Any,any-order,EUR';
    await imports(text);
    assert.deepEqual([(await variant('any-order')).price, (await variant('any-order')).stock_quantity], [euro(350), 7]);
  });

  test('each bad line is named, and nothing is imported unless all are good', async () => {
    const before = await productCount();
    const text = `sku,title,price,currency,stock_quantity
good-1,Good,1,EUR,1
,No SKU,1,EUR,1
bad-price,Bad,1.999,EUR,1
bad-price-2,Bad,"1,99",EUR,1
bad-price-3,Bad,-1,EUR,1
bad-stock,Bad,1,EUR,1.5
bad-currency,Bad,1,DEM,1
no-title,,1,EUR,1
good-1,Twice,1,EUR,1
"multi
line",Bad,1,EUR,1
short,Bad
`;
    const { status, stdout, stderr } = await importing(text);
    assert.equal(status, 1);
    for (const line of [3, 4, 5, 6, 7, 8, 9, 10, 11, 13]) {
      assert.match(stderr, new RegExp(`csv:${line}: `), `line ${line} is not named:\n${stderr}`);
    }
    assert.doesNotMatch(stderr, /csv:2: /);
    assert.equal(stdout, '');
    assert.equal(await productCount(), before);
    assert.match(await imports(text, '--skip-bad'), /1 created/);
    assert.equal(await productCount(), before + 1);
  });

  test('a thousand bad lines are not a thousand messages', async () => {
    const text = `sku,title,price,currency,stock_quantity\n${'x,Bad,nonsense,EUR,1\n'.repeat(1000)}`;
    const { status, stderr } = await importing(text);
    assert.equal(status, 1);
    assert.ok(stderr.split('\n').length < 130, `${stderr.split('\n').length} lines`);
    assert.match(stderr, /1000/);
  });

  test('--dry-run writes nothing', async () => {
    const before = await productCount();
    await imports('sku,title,price,currency,stock_quantity\ndry-1,Dry,1,EUR,1\n', '--dry-run');
    assert.equal(await productCount(), before);
    await shop.get('/v1/variants/dry-1', '404 unknown_sku');
  });

  test('a file of no known kind, none at all, and wrong usage', async () => {
    for (const text of ['', 'a,b,c\n1,2,3\n', 'sku,title,price\nx,X,1\n', '\u0000\u0001']) {
      const { status, stderr } = await importing(text);
      assert.equal(status, 1, JSON.stringify(text));
      assert.notEqual(stderr, '');
    }
    const missing = await run(['import', '/nonexistent.csv', '--database', shop.database]);
    assert.equal(missing.status, 1);
    assert.match(missing.stderr, /nonexistent/);
    assert.equal((await run(['import'])).status, 2);
    assert.equal((await run(['import', 'a.csv', 'b.csv'])).status, 2);
    assert.equal((await importing(PLAIN, '--currency', 'euro')).status, 2);
  });

  test('twenty thousand rows', { timeout: 60_000 }, async () => {
    const rows = Array.from({ length: 20_000 }, (_, i) => `many-${i},Many ${i},${i % 100}.50,EUR,${i % 7}\n`);
    assert.match(await imports(`sku,title,price,currency,stock_quantity\n${rows.join('')}`), /20000 created/);
    assert.deepEqual((await variant('many-19999')).price, euro(9950));
  });
});

describe('importing into a database that is not there yet', () => {
  test('makes it where it is a file, else says which command does', async () => {
    const shop = new Shop();
    const path = join(shop.folder, 'catalogue.csv');
    writeFileSync(path, PLAIN);
    if (IS_POSTGRES) {
      const { status, stderr } = await run(['import', path, '--database', shop.database]);
      assert.equal(status, 1);
      assert.match(stderr, /holdfast migrate/);
      await shop.migrate();
    }
    await runs(['import', path, '--database', shop.database]);
    await shop.start();
    await until('it sells', async () => (await shop.stock('tee-l')) === '5 on hand, 0 reserved');
    await shop.stop();
    shop.close();
    await shop.audit();
  });
});
