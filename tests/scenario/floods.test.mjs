/* Hostile clients in numbers, and one honest one beside them: each of its orders is taken, and the server's memory stays
 * within bounds. Nothing here is about the store. */

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { ONLY_SQLITE } from './support/database.mjs';
import { PROGRAM } from './support/program.mjs';
import { order, times, until, useShop } from './support/shop.mjs';
import { Wire } from './support/wire.mjs';

const FLOOD = fileURLToPath(new URL('support/flood.py', import.meta.url));
const BUFFERS_MIB = 16;
/* The buffers, 64 MiB of large answers that nobody takes, and the rest of the process: 135 MiB were seen, 300 without
 * the first bound, and as many without the second. A sanitizer keeps what was freed. */
const RESIDENT_MIB_MAX = /-(asan|tsan)\//.test(PROGRAM) ? Infinity : 190;
const ORDERS = 100;
const PATIENCE_MS = 60_000;

const get = (path) => `GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`;
const post = (headers) => `POST /v1/orders HTTP/1.1\r\nHost: shop\r\nContent-Type: application/json\r\n${headers}\r\n`;

describe('a flood', ONLY_SQLITE, () => {
  const shop = useShop({ parameters: ['--buffers-mib', String(BUFFERS_MIB)], connections: 4 });
  let sku;

  before(async () => {
    sku = await shop.sells(1_000_000);
  });

  const residentMib = () =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${shop.server.process.pid}/status`, 'utf8'))[1]) / 1024;
  const metric = async (name) => {
    const { text } = await shop.get('/metrics');
    return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)[1]);
  };

  const batchOf = (count) => ({ orders: Array.from({ length: count }, (_, i) => order(`batch-${i}`, { [sku]: 1 })) });

  /* Every order of the honest client is taken, on connections that it has and on new ones. */
  const ordersFlow = async () => {
    for (let i = 0; i < ORDERS; i += 4) {
      await times(4, (n) => shop.places({ [sku]: 1 }, { customer: `honest-${i + n}` }));
    }
    const body = JSON.stringify(order('honest', { [sku]: 1 }));
    for (let i = 0; i < 10; i += 1) {
      const wire = await Wire.open(shop.server.port);
      wire.send(`${post(`Content-Length: ${body.length}\r\nConnection: close\r\n`)}${body}`);
      assert.equal((await wire.answer({ limitMs: PATIENCE_MS }))?.status, 201);
      wire.close();
    }
  };

  /* Runs the deed while the flood stands, and says what the flood was answered. */
  const flood = async (count, mode, script, deed = ordersFlow) => {
    const attacker = spawn('python3', [FLOOD, shop.server.port, count, mode], { stdio: ['pipe', 'pipe', 'inherit'] });
    const lines = createInterface({ input: attacker.stdout })[Symbol.asyncIterator]();
    attacker.stdin.write(`${JSON.stringify(script)}\n`);
    try {
      await lines.next();
      await deed();
      const resident = residentMib();
      assert.ok(resident < RESIDENT_MIB_MAX, `${resident} MiB are resident`);
      attacker.stdin.end();
      const { value } = await lines.next();
      return JSON.parse(value);
    } finally {
      attacker.kill('SIGKILL');
    }
  };

  test('of idle connections', async () => {
    await flood(1500, 'hold', {}, async () => {
      assert.ok((await metric('holdfast_http_connections')) >= 1500);
      await ordersFlow();
    });
  });

  test('of heads that never end', async () => {
    await flood(1000, 'trickle', { first: 'GET /healthz HTTP/1.1\r\nHost: shop\r\n', repeated: 'X: y\r\n', times: 1000 });
  });

  test('of bodies that never end', async () => {
    const { statuses } = await flood(1000, 'trickle', {
      first: post('Content-Length: 10000\r\n'),
      repeated: ' ',
      times: 10_000,
    });
    assert.deepEqual(statuses, {});
  });

  test('of large bodies: those for which there is no room are refused', async () => {
    const { statuses, retry_after: retries } = await flood(300, 'hold', {
      first: post('Content-Length: 1000000\r\n'),
      repeated: ' '.repeat(1000),
      times: 999,
    });
    assert.deepEqual(Object.keys(statuses), ['503']);
    assert.ok(statuses[503] > 200, `${statuses[503]} of 300 were refused`);
    assert.equal(retries, statuses[503]);
    assert.ok((await metric('holdfast_http_refusals_total\\{reason="overloaded"\\}')) >= statuses[503]);
  });

  test('of small bodies that take all the room: large ones are refused meanwhile, small ones never', async () => {
    const { statuses } = await flood(
      1000,
      'hold',
      { first: post('Content-Length: 16000\r\n'), repeated: ' '.repeat(1000), times: 15 },
      async () => {
        assert.ok((await metric('holdfast_http_buffered_bytes')) >= BUFFERS_MIB * 1024 * 1024);
        await ordersFlow();
        const { headers } = await shop.post('/v1/orders/batch', batchOf(500), '503 overloaded');
        assert.equal(headers['retry-after'], '1');
      },
    );
    assert.deepEqual(statuses, {});
  });

  test('of chunks: the same', async () => {
    const chunk = `3e8\r\n${' '.repeat(1000)}\r\n`;
    const { statuses } = await flood(300, 'hold', {
      first: post('Transfer-Encoding: chunked\r\n'),
      repeated: chunk,
      times: 1000,
    });
    assert.ok(statuses[503] > 200, `${statuses[503]} of 300 were refused`);
  });

  test('of clients that ask for much and read nothing', async () => {
    const variants = Array.from({ length: 1000 }, (_, i) => ({ sku: `large-${i}`, title: 'x'.repeat(200), price: { amount: 1, currency: 'EUR' } }));
    const { body } = await shop.post('/v1/products', { title: 'large', variants }, 201);
    const unknown = `/healthz?${'%01&'.repeat(3000)}`;
    for (const path of ['/openapi.json', '/metrics', `/v1/products/${body.product_id}`, unknown]) {
      await flood(900, 'hold', { repeated: get(path), times: 64 });
    }
  });

  test('of clients without a key that read nothing: who has one asks for lists, and sends batches', async () => {
    for (const path of ['/openapi.json', '/metrics']) {
      await flood(900, 'hold', { repeated: get(path), times: 4 }, async () => {
        const { body } = await shop.get('/v1/orders?limit=100');
        assert.equal(body.data.length, 100);
        await shop.post('/v1/orders/batch', batchOf(10), 200);
      });
    }
  });

  test('of pipelines that nobody reads', async () => {
    const body = JSON.stringify(order('greedy', { [sku]: 1 }));
    await flood(150, 'hold', { repeated: get('/healthz'), times: 5000 });
    await flood(50, 'hold', { repeated: `${post(`Content-Length: ${body.length}\r\n`)}${body}`, times: 300 });
  });

  test('of large bodies behind answers that nobody reads', async () => {
    const large = `${post('Content-Length: 200000\r\n')}${' '.repeat(200_000)}`;
    await flood(100, 'hold', { first: get('/openapi.json').repeat(3), repeated: large, times: 30 });
  });

  test('of listeners to events that read nothing', async () => {
    await flood(500, 'hold', { first: get('/v1/events/stream?after=0') });
  });

  test('of connections that are reset at once', async () => {
    const { rounds } = await flood(200, 'reset', { first: get('/v1/orders') });
    assert.ok(rounds > 1, `${rounds} rounds`);
  });

  test('leaves nothing behind', async () => {
    const is = async (name, max) => (await metric(name)) < max;
    await until('their requests are gone', () => is('holdfast_http_buffered_bytes', 100_000), PATIENCE_MS);
    await until('their connections are gone', () => is('holdfast_http_connections', 20), PATIENCE_MS);
    const { body } = await shop.post('/v1/orders/batch', batchOf(500), 200);
    assert.ok(body.results.every(({ status }) => status === 201));
  });
});
