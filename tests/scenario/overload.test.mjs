import assert from 'node:assert/strict';
import { describe, test } from 'node:test';

import { newKey, order, tally, times, until, useShop } from './support/shop.mjs';
import { Wire } from './support/wire.mjs';

describe('a full queue', () => {
  const shop = useShop({ parameters: ['--queue-max', '1000', '--batch-max', '1000'] });

  test('is answered 503 busy with Retry-After, and nothing half-done', async () => {
    const sku = await shop.sells(1_000_000);
    const batch = (i) => ({ orders: Array.from({ length: 700 }, (_, n) => order(`c-${i}-${n}`, { [sku]: 1 })) });
    const requests = Array.from({ length: 40 }, (_, i) => ({ body: batch(i), key: newKey() }));
    let open = requests;
    let busy = 0;
    for (let round = 0; open.length > 0; round += 1) {
      assert.ok(round < 200, `${open.length} batches never got in`);
      const answers = await Promise.all(
        open.map(({ body, key }) => shop.post('/v1/orders/batch', body, undefined, { key })),
      );
      for (const answer of answers.filter(({ status }) => status !== 200)) {
        assert.deepEqual([answer.status, answer.body.code], [503, 'busy']);
        assert.match(answer.headers['retry-after'], /^\d+$/);
        busy += 1;
      }
      open = open.filter((_, i) => answers[i].status !== 200);
    }
    assert.ok(busy > 0, 'the queue was never full');
    assert.equal(await shop.stock(sku), '1000000 on hand, 28000 reserved');
  });

  test('reads and health are answered meanwhile', async () => {
    const sku = await shop.sells(1_000_000);
    const body = { orders: Array.from({ length: 900 }, (_, n) => order(`c-${n}`, { [sku]: 1 })) };
    const flood = times(30, () => shop.post('/v1/orders/batch', body, undefined));
    await shop.get('/healthz');
    await shop.get('/readyz');
    await shop.get(`/v1/stock/${sku}`);
    const counts = tally(await flood);
    assert.deepEqual(
      Object.keys(counts).filter((name) => !['200', '503 busy'].includes(name)),
      [],
    );
  });
});

describe('too many connections', () => {
  const shop = useShop({ parameters: ['--connections-max', '20'], connections: 5 });

  test('are refused with 503, those that are there are served', async () => {
    await shop.get('/healthz');
    const wires = await times(30, () => Wire.open(shop.server.port));
    const answers = await Promise.all(
      wires.map(async (wire) => {
        wire.send('GET /healthz HTTP/1.1\r\nHost: shop\r\n\r\n');
        return wire.answer();
      }),
    );
    const statuses = answers.map((answer) => answer?.status);
    assert.ok(statuses.filter((status) => status === 200).length >= 15, `${statuses}`);
    assert.ok(statuses.filter((status) => status !== 200).length >= 10, `${statuses}`);
    const refused = answers.find((answer) => answer !== null && answer.status !== 200);
    if (refused !== undefined) {
      assert.deepEqual([refused.status, JSON.parse(refused.body).code], [503, 'too_many_connections']);
      assert.equal(refused.headers['retry-after'], '1');
    }
    await shop.get('/healthz');
    wires.forEach((wire) => wire.close());
    await until('there is room again', async () => {
      const wire = await Wire.open(shop.server.port);
      wire.send('GET /healthz HTTP/1.1\r\nHost: shop\r\nConnection: close\r\n\r\n');
      const answer = await wire.answer();
      wire.close();
      return answer?.status === 200;
    });
  });
});
