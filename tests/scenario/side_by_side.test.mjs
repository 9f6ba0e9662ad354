/* Commands that work on the database while a server sells from it. */

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';

import { createKey, runs } from './support/program.mjs';
import { order, useShop } from './support/shop.mjs';

describe('beside a server under load', () => {
  const shop = useShop({ connections: 20 });

  /* Customers order, then pay, cancel or let their hold run out, until the deed is done; every order must be taken. */
  const underLoad = async (deed) => {
    const sku = await shop.sells(1_000_000);
    let isDone = false;
    let count = 0;
    const customers = Array.from({ length: 10 }, async (_, i) => {
      while (!isDone) {
        const fate = count % 3;
        count += 1;
        const placed = await shop.places({ [sku]: 1 }, { customer: `c-${i}`, hold_seconds: fate === 2 ? 1 : 60 });
        if (fate === 0) {
          await shop.pays(placed);
        } else if (fate === 1) {
          await shop.post(`/v1/orders/${placed.order_id}/cancel`, {}, 200);
        }
      }
    });
    try {
      await deed();
    } finally {
      isDone = true;
    }
    await Promise.all(customers);
    return count;
  };

  test('audits are clean', async () => {
    await underLoad(async () => {
      for (let i = 0; i < 10; i += 1) {
        await runs(['audit', '--max-late', '2', '--database', shop.database]);
      }
    });
  });

  test('a catalogue is imported, and no order has to wait for long', { timeout: 60_000 }, async () => {
    const path = join(shop.folder, 'catalogue.csv');
    const rows = Array.from({ length: 30_000 }, (_, i) => `beside-${i},Beside ${i},1.50,EUR,${i % 7}\n`);
    writeFileSync(path, `sku,title,price,currency,stock_quantity\n${rows.join('')}`);
    const count = await underLoad(() => runs(['import', path, '--database', shop.database]));
    assert.ok(count > 10, `only ${count} orders meanwhile`);
    assert.equal(await shop.stock('beside-29999'), '4 on hand, 0 reserved');
  });

  test('an import changes stock that is being bought, and nothing is oversold', { timeout: 60_000 }, async () => {
    const sku = 'contested';
    const path = join(shop.folder, 'contested.csv');
    writeFileSync(path, `sku,title,price,currency,stock_quantity\n${sku},Contested,1,EUR,100\n`);
    await runs(['import', path, '--database', shop.database]);
    const buying = Promise.all(
      Array.from({ length: 20 }, async (_, i) => {
        for (let round = 0; round < 20; round += 1) {
          await shop.post('/v1/orders', order(`c-${i}`, { [sku]: 1 }, { hold_seconds: 1 }), undefined);
        }
      }),
    );
    for (const stock of [150, 120, 200]) {
      writeFileSync(path, `sku,title,price,currency,stock_quantity\n${sku},Contested,1,EUR,${stock}\n`);
      await runs(['import', path, '--skip-bad', '--database', shop.database]);
    }
    await buying;
    const { body } = await shop.get(`/v1/stock/${sku}`);
    assert.ok(body.reserved_quantity <= body.stock_quantity);
  });

  test('keys are made', async () => {
    await underLoad(async () => {
      shop.bearer = await createKey(shop.database, 'admin');
      await createKey(shop.database, 'read', 'second');
    });
  });
});
